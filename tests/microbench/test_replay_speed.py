"""Replayed nets on the real clock: how much longer than recorded their best run takes on this machine."""

from __future__ import annotations

import time
from typing import Any

import pytest

from suite.models import replay_keras, replay_torch
from suite.models.slept import sleep_until
from tests.models import test_replay_keras, test_replay_torch
from tests.models.test_replay_keras import STEP_SECONDS, unrolled
from tests.models.toy import SHAPES, toy_profile

ROUNDS = 60


def test_one_millisecond_is_right_within_one_percent(benchmark: Any) -> None:
    benchmark.pedantic(lambda: sleep_until(time.perf_counter() + 1e-3), rounds=25 * ROUNDS)
    assert 1e-3 <= benchmark.stats["min"] <= benchmark.stats["median"] < 1.01e-3


def test_forward_in_torch_adds_less_than_a_millisecond(benchmark: Any) -> None:
    model = replay_torch.build(toy_profile())
    benchmark.pedantic(test_replay_torch.loss_of, (model,), rounds=ROUNDS)
    assert 0.016 <= benchmark.stats["min"] < 0.017


@pytest.mark.parametrize(("layer", "moment"), [("three", 0.003), ("two", 0.023), ("one", 0.029)])
def test_gradients_in_torch_are_less_than_a_millisecond_late(benchmark: Any, layer: str, moment: float) -> None:
    moments: list[dict[str, float]] = []

    def run() -> None:
        moments.append(test_replay_torch.moments_of(replay_torch.build(toy_profile()), time.perf_counter))

    benchmark.pedantic(run, rounds=ROUNDS)
    for name, _ in SHAPES[layer]:
        assert moment <= min(found[f"{layer}.{name}"] for found in moments) < moment + 0.001


def test_an_eager_step_in_keras_takes_less_than_twice_its_time(benchmark: Any) -> None:
    """Eager operations around the sleeps are slow; nothing that is measured is run eagerly."""
    model = replay_keras.build(toy_profile())
    benchmark.pedantic(test_replay_keras.gradients_of, (model,), rounds=ROUNDS)
    assert STEP_SECONDS <= benchmark.stats["min"] < 2 * STEP_SECONDS


def test_an_unrolled_step_in_keras_adds_less_than_2_milliseconds(benchmark: Any) -> None:
    benchmark.pedantic(unrolled(replay_keras.build(toy_profile()), steps=3), rounds=ROUNDS, warmup_rounds=1)
    assert 3 * STEP_SECONDS <= benchmark.stats["min"] < 3 * (STEP_SECONDS + 0.002)
