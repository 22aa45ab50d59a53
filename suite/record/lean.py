"""Columns of a record that follow from others: left out of its packed file, and put back, bit for bit, when it is read.

In virtual time a step begins when the one before ends, lasts as long as its parts together, and is delayed by what was
asked for: to the last digit, or a few beside it, which are kept. Works on the record's JSON, before it is a `Record`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MARK = "left_out"  # the first key of such a file
DIGITS = 7  # as ranks write times
FEW = 9
PARTS = ("compute", "injected", "exposed", "wait", "vote", "update")  # in the order in which they are added up
# One of these follows from the others. Which of them to leave out depends: where ranks wait for each other their steps are
# equally long, which packs well, and then it is better the wait.
DERIVED = ("wait", "exposed", "seconds")
Columns = dict[str, Any]


def marked(text: bytes) -> bool:
    """Whether `full` has to be asked."""
    return text.startswith(b'{"' + MARK.encode())


def lean(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Ways to write it down without what `full` puts back, among them that which leaves nothing out."""
    yield {MARK: True, **content}
    for name in DERIVED:
        made = {MARK: True, **content, "ranks": [_lean(rank, name) for rank in content["ranks"]]}
        if full(made) == content:
            yield made


def full(content: dict[str, Any]) -> dict[str, Any]:
    """What `lean` was given."""
    whole = {key: value for key, value in content.items() if key != MARK}
    return {**whole, "ranks": [_full(rank) for rank in content["ranks"]]}


def _lean(rank: dict[str, Any], name: str) -> dict[str, Any]:
    made = {**rank, "warmup": _without(rank["warmup"], name), "steps": _without(rank["steps"], name)}
    if rank.get("injected_asked") is not None and rank["injected_asked"] == rank["steps"].get("injected"):
        made["injected_asked"] = []
    return made


def _full(rank: dict[str, Any]) -> dict[str, Any]:
    made = {**rank, "warmup": _with(rank["warmup"]), "steps": _with(rank["steps"])}
    if rank.get("injected_asked") == [] and rank["steps"].get("injected"):
        made["injected_asked"] = rank["steps"]["injected"]
    return made


def _without(columns: Columns, name: str) -> Columns:
    made, seconds, started = dict(columns), columns["seconds"], columns["started"]
    if len(seconds) < 2:
        return made
    begins = [round(one + took, DIGITS) for one, took in zip(started, seconds, strict=True)][:-1]
    if (off := _off(started[1:], begins)) is not None:
        made |= {"started": started[:1], "started_off": off}
    if columns.get(name) and (off := _off(columns[name], _rest(columns, name))) is not None:
        made |= {name: [], f"{name}_off": off}
    return made


def _with(columns: Columns) -> Columns:
    made = dict(columns)
    for name in DERIVED:
        if (off := made.pop(f"{name}_off", None)) is not None:
            made[name] = [_moved(one, by) for one, by in zip(_rest(columns, name), off, strict=True)]
    if (off := made.pop("started_off", None)) is not None:
        started = list(made["started"])
        for took, by in zip(made["seconds"], off, strict=False):  # nothing begins after the last step
            started.append(_moved(round(started[-1] + took, DIGITS), by))
        made["started"] = started
    return made


def _off(found: list[float], expected: list[float]) -> list[int] | None:
    """By how many of the last digits each is off; None where that is no few of them."""
    if len(found) != len(expected):
        return None
    off = [round((one - other) * 10**DIGITS) for one, other in zip(found, expected, strict=True)]
    return off if all(abs(by) <= FEW for by in off) else None


def _moved(value: float, by: int) -> float:
    return float(round(value + by / 10**DIGITS, DIGITS))


def _rest(columns: Columns, name: str) -> list[float]:
    """How long each step lasts, or what is left of it for one of its parts."""
    parts = [columns[part] for part in PARTS if part != name and columns.get(part) is not None]
    sums = [sum(values) for values in zip(*parts, strict=True)]
    if name == "seconds":
        return [round(value, DIGITS) for value in sums]
    return [round(took - value, DIGITS) for took, value in zip(columns["seconds"], sums, strict=True)]
