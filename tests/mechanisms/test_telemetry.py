"""Telemetry as plain numbers, for a logger in a training loop."""

from __future__ import annotations

import json

from algorithms.mechanisms.telemetry import Telemetry


def test_every_count_is_a_plain_number() -> None:
    said = Telemetry(
        steps=4, rounds=3, staleness={0: 1, 2: 3}, exposed_seconds=0.5, exposed_vote_seconds=0.25
    ).as_dict()
    assert (said["steps"], said["rounds"], said["exposed_seconds"], said["exposed_vote_seconds"]) == (4, 3, 0.5, 0.25)
    assert (said["staleness_mean"], said["staleness_max"]) == (1.5, 2)
    assert all(type(number) in (int, float) for number in said.values())
    assert json.loads(json.dumps(said)) == said


def test_what_nobody_measured_is_left_out() -> None:
    assert not {"exposed_vote_seconds", "staleness", "staleness_mean"} & Telemetry().as_dict().keys()
