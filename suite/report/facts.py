"""What a record says of its algorithm. Records of before algorithms declared it say nothing: a table knows those."""

from __future__ import annotations

from typing import NamedTuple

from suite.record.schema import Facts, Record
from suite.record.specification import Algorithm, Specification

ROLES = ("alone", "ceiling", "control", "peer", "reference", "algorithm")  # in the order in which they are shown


class _Before(NamedTuple):
    place: int
    role: str = "algorithm"
    silent: bool = False
    hides: bool = False  # without any option
    own_pace: bool = False  # it waits for nobody in particular


# Closed: whoever is not in here has facts in its records.
_BEFORE = {
    "bare": _Before(0, "alone", silent=True, hides=True, own_pace=True),
    "no_communication": _Before(0, "ceiling", silent=True, hides=True, own_pace=True),
    "stock_horovod": _Before(1, "control", hides=True),
    "torch_ddp": _Before(0, "peer", hides=True),
    "synchronous": _Before(2),
    "layerwise": _Before(3, hides=True),
    "delayed": _Before(4),
    "backup_workers": _Before(5),
    "asynchronous": _Before(6, own_pace=True),
    "softsync": _Before(7, own_pace=True),
    "downpour": _Before(8, own_pace=True),
    "elastic_averaging": _Before(9),
    "local_sgd": _Before(10),
    "slowmo": _Before(11),
    "diloco": _Before(12),
    "adasum": _Before(13),
}


def of(record: Record) -> Facts | None:
    """None for an algorithm that was never heard of and says nothing of itself."""
    found = record.facts or _before(record.specification)
    if found is None:
        return None
    algorithm = record.specification.algorithm
    lacking = {"ahead": _ahead(algorithm)} if found.ahead is None else {}
    lacking |= {"beside": _beside(algorithm)} if found.beside is None else {}
    return found.model_copy(update=lacking) if lacking else found


def _ahead(algorithm: Algorithm) -> int:
    """Records of before do not say it: of those alone that were there then."""
    if algorithm.name == "layerwise":
        return int(algorithm.options.get("order", "forward") == "forward")
    steps = algorithm.options.get("steps", 1)
    return steps if algorithm.name == "delayed" and isinstance(steps, int) else 0


def _beside(algorithm: Algorithm) -> int:
    """The same: its copies left at the beginning of a step, and came back at its end."""
    return int(algorithm.name == "elastic_averaging" and algorithm.options.get("order", "paper") == "paper")


def _before(specification: Specification) -> Facts | None:
    known = _BEFORE.get(specification.algorithm.name)
    if known is None:
        return None
    options, workers = specification.algorithm.options, specification.workers
    spares, period = options.get("spares"), options.get("period")
    hides = {"delayed": bool(options.get("steps", 1)), "asynchronous": bool(options.get("ahead", True))}
    reference = specification.algorithm.name == "synchronous" and not options.get("overlap")
    waits_for = 1 if known.own_pace or options.get("asynchronous") else workers
    return Facts.model_validate(
        {
            "role": "reference" if reference else known.role,
            "place": known.place,
            "silent": known.silent,
            "hides": hides.get(specification.algorithm.name, known.hides or bool(options.get("overlap"))),
            "waits_for": workers - spares if isinstance(spares, int) else waits_for,
            "drops_late": isinstance(spares, int),
            "every": period if isinstance(period, int) else 1,
        }
    )
