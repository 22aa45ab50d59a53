"""Columns of a record that follow from others: left out of its packed file, and put back, bit for bit, when it is read.

In virtual time a step begins when the one before ends, lasts as long as its parts together, and is delayed by what was
asked for: to the last digit, or a few beside it, which are kept. What is left is written digit by digit (`digits`).
Works on the record's JSON, before it is a `Record`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.record import digits

MARK = "left_out"  # the first key of such a file; its value is the way of packing
WAY = 2  # the first one was `true`, and left columns out without writing the others by place
FEW = 9
PARTS = ("compute", "injected", "exposed", "wait", "vote", "update")  # in the order in which they are added up
# One of these follows from the others. Which of them to leave out depends: where ranks wait for each other their steps are
# equally long, which packs well, and then it is better the wait.
DERIVED = ("wait", "exposed", "seconds")
Columns = dict[str, Any]
Ticks = NDArray[np.int64]


def marked(text: bytes) -> bool:
    """Whether `full` has to be asked."""
    return text.startswith(b'{"' + MARK.encode())


def newest(text: bytes) -> bool:
    """Whether it is as small as `lean` makes it."""
    return bool(marked(text) and json.loads(text)[MARK] == WAY)


def lean(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Ways to write it down without what `full` puts back, among them that which leaves nothing out."""
    yield {MARK: WAY, **content}
    before = _text(content)
    for name in (None, *DERIVED):
        made = {MARK: WAY, **content, "ranks": [_by_place(_lean(rank, name)) for rank in content["ranks"]]}
        if _text(full(made)) == before:
            yield made


def full(content: dict[str, Any]) -> dict[str, Any]:
    """What `lean` was given."""
    whole = {key: value for key, value in content.items() if key != MARK}
    return {**whole, "ranks": [_full(rank) for rank in content["ranks"]]}


def _text(content: dict[str, Any]) -> str:
    """In which a zero has its sign, as a comparison of numbers has not."""
    return json.dumps(content, sort_keys=True)


def _by_place(rank: dict[str, Any]) -> dict[str, Any]:
    return {**rank, "warmup": digits.by_place(rank["warmup"]), "steps": digits.by_place(rank["steps"])}


def _lean(rank: dict[str, Any], name: str | None) -> dict[str, Any]:
    if name is None:
        return rank
    made = {**rank, "warmup": _without(rank["warmup"], name), "steps": _without(rank["steps"], name)}
    if rank.get("injected_asked") is not None and rank["injected_asked"] == rank["steps"].get("injected"):
        made["injected_asked"] = []
    return made


def _full(rank: dict[str, Any]) -> dict[str, Any]:
    made = {**rank, "warmup": _with(digits.by_step(rank["warmup"])), "steps": _with(digits.by_step(rank["steps"]))}
    if rank.get("injected_asked") == [] and made["steps"].get("injected"):
        made["injected_asked"] = made["steps"]["injected"]
    return made


def _without(columns: Columns, name: str) -> Columns:
    made, seconds, started = dict(columns), columns["seconds"], columns["started"]
    if len(seconds) < 2:
        return made
    if (off := _off(started[1:], (_ticks(started) + _ticks(seconds))[:-1])) is not None:
        made |= {"started": started[:1], "started_off": off}
    if columns.get(name) and (off := _off(columns[name], _rest(columns, name))) is not None:
        made |= {name: [], f"{name}_off": off}
    return made


def _with(columns: Columns) -> Columns:
    made = dict(columns)
    for name in DERIVED:
        if (off := made.pop(f"{name}_off", None)) is not None:
            made[name] = _seconds(_rest(columns, name) + off)
    if (off := made.pop("started_off", None)) is not None:
        lasted = _ticks(made["seconds"])[: len(off)] + off
        first = made["started"][:1]  # as it is written: it may be -0.0
        made["started"] = first + _seconds(_ticks(first) + np.cumsum(lasted))
    return made


def _off(found: list[float], expected: Ticks) -> list[int] | None:
    """By how many of the last digits each is off; None where that is no few of them."""
    if len(found) != len(expected):
        return None
    off = _ticks(found) - expected
    return off.tolist() if np.all(abs(off) <= FEW) else None


def _rest(columns: Columns, name: str) -> Ticks:
    """How long each step lasts, or what is left of it for one of its parts."""
    parts = [_ticks(columns[part]) for part in PARTS if part != name and columns.get(part) is not None]
    total: Ticks = np.sum([np.zeros(len(columns["loss"]), np.int64), *parts], axis=0)
    return total if name == "seconds" else _ticks(columns["seconds"]) - total


def _ticks(values: list[float]) -> Ticks:
    """In whole last digits, which add up exactly."""
    with np.errstate(invalid="ignore"):  # what is no number does not come back, so that nothing is left out then
        whole: Ticks = np.rint(np.asarray(values, np.float64) * 10**digits.PLACES).astype(np.int64)
    return whole


def _seconds(ticks: Ticks) -> list[float]:
    found: list[float] = (ticks / 10**digits.PLACES).tolist()
    return found
