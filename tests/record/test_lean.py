"""What follows from other columns of a record is left out of its packed file, and comes back bit for bit."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from suite.record import digits, lean


def columns(steps: int, draw: random.Random, *, parts: tuple[str, ...], gap: float = 0.0) -> dict[str, Any]:
    """Steps that last as long as their parts, but for the last digit, and begin `gap` after the one before."""
    made: dict[str, Any] = {name: [round(draw.random(), 7) for _ in range(steps)] for name in parts}
    sums = [sum(values) + draw.choice((-1e-7, 0, 1e-7)) for values in zip(*made.values(), strict=True)]
    made["seconds"] = [round(one, 7) for one in sums]
    begins, started = 0.3, []
    for took in made["seconds"]:
        started.append(round(begins, 7))
        begins += took + gap
    unknown = dict.fromkeys(set(lean.PARTS) - set(parts))
    return {"started": started, "loss": [round(draw.random(), 7) for _ in range(steps)], **made, **unknown}


def content(*ranks: dict[str, Any], asked: bool = True) -> dict[str, Any]:
    nothing: dict[str, Any] = {"started": [], "seconds": [], "loss": [], **dict.fromkeys(lean.PARTS)}
    return {
        "schema_version": 1,
        "ranks": [
            {"warmup": nothing, "steps": one, "injected_asked": one.get("injected") if asked else None} for one in ranks
        ],
    }


@pytest.mark.parametrize("parts", [("compute", "injected", "wait"), ("compute", "exposed"), ("compute", "update")])
@pytest.mark.parametrize("steps", [0, 1, 2, 50])
@pytest.mark.parametrize("gap", [0.0, 0.01])
@pytest.mark.parametrize("asked", [True, False])
def test_every_way_gives_back_what_it_was_given(parts: tuple[str, ...], steps: int, gap: float, asked: bool) -> None:
    draw = random.Random(steps)
    before = content(*(columns(steps, draw, parts=parts, gap=gap) for _ in range(3)), asked=asked)
    ways = list(lean.lean(before))
    assert ways
    for way in ways:
        written = json.dumps(way)
        assert lean.marked(written.encode())
        assert lean.full(json.loads(written)) == before


def test_what_follows_is_left_out() -> None:
    before = content(columns(50, random.Random(1), parts=("compute", "injected", "wait")))
    shortest = min((json.dumps(way) for way in lean.lean(before)), key=len)
    assert len(shortest) < 0.6 * len(json.dumps(before))
    (rank,) = json.loads(shortest)["ranks"]
    assert len(rank["steps"]["started"]) == 1
    assert rank["injected_asked"] == []


def test_what_does_not_follow_stays() -> None:
    """Steps of real processes begin when they begin, and do other things beside their parts."""
    measured = columns(50, random.Random(2), parts=("compute", "injected"), gap=0.01)
    measured["seconds"] = [round(one + 0.5 * number, 7) for number, one in enumerate(measured["seconds"])]
    before = content(measured, asked=False)
    for way in lean.lean(before):
        (rank,) = way["ranks"]
        steps = digits.by_step(rank["steps"])
        assert steps["seconds"] == measured["seconds"]
        assert steps["started"] == measured["started"]


def test_a_record_that_was_never_packed_is_not_taken_for_one() -> None:
    assert not lean.marked(json.dumps(content()).encode())


def test_what_was_packed_the_first_way_is_packed_anew() -> None:
    assert not lean.newest(b'{"left_out":true,"ranks":[]}')
    assert not lean.newest(json.dumps(content()).encode())
    assert all(lean.newest(json.dumps(way).encode()) for way in lean.lean(content()))


def test_zeros_keep_their_signs() -> None:
    """A step may begin at -0.0: what was subtracted from its end was a little more."""
    begins = columns(50, random.Random(3), parts=("compute", "injected"))
    begins["started"] = [round(one - begins["started"][0], 7) for one in begins["started"]]
    begins["started"][0] = -0.0
    before = content(begins)
    ways = list(lean.lean(before))
    assert len(ways) > 2
    for way in ways:
        assert json.dumps(lean.full(way), sort_keys=True) == json.dumps(before, sort_keys=True)
