"""In which form numbers travel. `FORMATS` names all the forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from algorithms.contract import Algorithm, Rounds
from algorithms.mechanisms.suggest import did_you_mean
from algorithms.wire.format import Format
from algorithms.wire.fp16 import FP16
from algorithms.wire.int16 import Int16
from algorithms.wire.none import Uncoded
from algorithms.wire.powersgd import PowerSGD

FORMATS: dict[str, type[Format]] = {
    "none": Uncoded,
    "fp16": FP16,
    "int16": Int16,
    "powersgd": PowerSGD,
}

NONE = Uncoded()

# "powersgd", "powersgd:rank=2", {"name": "powersgd", "rank": 2} or PowerSGD(rank=2)
Asked = str | Mapping[str, Any] | Format


def named(asked: Asked) -> Format:
    """The format that somebody asks for; ValueError, with the nearest name, where there is none."""
    if isinstance(asked, Format):
        return asked
    name: Any
    options: dict[str, Any]
    if isinstance(asked, str):
        name, *written = asked.split(":")
        options = dict(_option(asked, part) for part in written)
    elif isinstance(asked, Mapping):
        options = {str(key): value for key, value in asked.items()}
        name = options.pop("name", None)
    else:
        raise ValueError(f"wire={asked!r}: must be {_choices()}, with options as in 'powersgd:rank=2'")
    kind = FORMATS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"wire={name!r}: must be {_choices()}{did_you_mean(name, FORMATS, '; {}')}")
    known = [field.name for field in fields(kind)]
    for key in options:
        if key not in known:
            has = f"has {', '.join(known)}" if known else "has no options"
            raise ValueError(f"wire={asked!r}: {name} {has}, not {key!r}{did_you_mean(key, known, '; {}')}")
    return kind(**options) if kind is not Uncoded else NONE


def fitting(asked: Asked, algorithm: Algorithm, workers: int) -> Format:
    """The format asked for, for this algorithm; ValueError that says why where it cannot carry it.

    A worker alone sends nothing, whatever the format.
    """
    wanted = named(asked)
    if wanted != NONE and algorithm.refuses_formats:
        raise ValueError(f"wire={str(wanted)!r}: must be 'none' with {algorithm.name}, {algorithm.refuses_formats}")
    if wanted.of_changes_only and isinstance(algorithm, Rounds) and algorithm.offers_parameters:
        raise ValueError(
            f"wire={str(wanted)!r}: {algorithm.name} sends parameters, and {wanted.name} is for gradients and for changes "
            "of parameters only: use 'fp16' or 'int16'"
        )
    return wanted if workers > 1 else NONE


def _option(asked: str, part: str) -> tuple[str, int]:
    key, equals, value = part.partition("=")
    if not equals or not value.lstrip("-").isdigit():
        raise ValueError(f"wire={asked!r}: {part!r} must be an option and a whole number, as in 'powersgd:rank=2'")
    return key, int(value)


def _choices() -> str:
    return "one of " + ", ".join(map(repr, FORMATS))


__all__ = ["FORMATS", "FP16", "NONE", "Asked", "Format", "Int16", "PowerSGD", "Uncoded", "fitting", "named"]
