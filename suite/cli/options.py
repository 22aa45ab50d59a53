"""Values as people write them on a command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from algorithms.mechanisms.suggest import unknown
from suite.cli.errors import BadInputError

Value = bool | int | float | str | None
WORDS: dict[str, Value] = {"true": True, "false": False, "none": None}


def value(text: str) -> Value:
    """A whole number, a number, true, false, none, or the text itself."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def settings(texts: Sequence[str], option: str) -> dict[str, Value]:
    """`["steps=1", "compensation=0.5"]` as a dictionary."""
    found: dict[str, Value] = {}
    for text in texts:
        name, equals, given = text.partition("=")
        if not equals or not name.strip():
            raise BadInputError(f"{option} {text!r}: write {option} name=value, for example {option} steps=1")
        if name.strip() in found:
            raise BadInputError(f"{option} {name.strip()!r} is given twice")
        found[name.strip()] = value(given.strip())
    return found


def one_of(what: str, given: str, allowed: Iterable[str]) -> str:
    names = list(allowed)
    if given not in names:
        raise BadInputError(unknown(what, given, names))
    return given
