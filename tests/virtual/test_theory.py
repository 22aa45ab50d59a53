"""Closed forms, through the path that real nets take: order statistics of rounds, staleness, delay."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from algorithms.contract import Rounds
from algorithms.virtual import SGD, Cluster
from suite.cluster.virtual import VirtualNetwork
from suite.experiment import choices
from suite.virtual import fitting
from suite.virtual.times import StepTimes, machines
from tests.virtual.small import specified, trained

WORKERS, ROUNDS, SECONDS = 100, 2000, 0.1


def rounds(straggler: str, spares: int, seed: int = 0) -> tuple[float, Any]:
    """Mean seconds of a round of workers that give up what is late, with the clock of a specification and no net."""
    specification = specified(
        "backup_workers",
        {"spares": spares, "give_up": True},
        workers=WORKERS,
        straggler=straggler,
        network=VirtualNetwork(compute_seconds=SECONDS),
        seed=seed,
    )
    algorithm = choices.make_algorithm(specification.algorithm.name, specification.algorithm.options)
    assert isinstance(algorithm, Rounds)
    cluster = Cluster(
        workers=WORKERS,
        algorithm=algorithm,
        optimizer=SGD(learning_rate=0.0),
        parameters=np.zeros(1),
        gradient=lambda worker, step, x: x,
        compute=StepTimes.of(specification),
        network=machines(specification).network(),
        arrivals=fitting.arrivals_of(algorithm),
    )
    trace = cluster.run(ROUNDS, record=1)
    return trace.seconds[-1] / ROUNDS, trace


def order_statistic(quantile: Any, place: int, of: int) -> float:
    """E of the `place`-th smallest: the quantile function under the Beta law of uniform order statistics."""
    law = stats.beta(place, of - place + 1)
    return float(integrate.quad(lambda u: quantile(u) * law.pdf(u), 0, 1, limit=400, points=[law.mean()])[0])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("spares", [0, 4, 10])
@pytest.mark.parametrize(
    ("straggler", "delay"),
    [
        ("lognormal:sigma=0.5,mean=1x", stats.lognorm(0.5, scale=math.exp(-(0.5**2) / 2))),
        ("pareto:alpha=4,mean=1x", stats.lomax(4, scale=3.0)),
    ],
    ids=["lognormal", "pareto"],
)
def test_a_round_takes_the_order_statistic(straggler: str, delay: Any, spares: int) -> None:
    expected = SECONDS * (1 + order_statistic(delay.ppf, WORKERS - spares, WORKERS))
    found, trace = rounds(straggler, spares)
    lasted = np.diff(trace.seconds)
    sure = 4 * float(np.std(lasted)) / math.sqrt(ROUNDS) / expected  # the mean of so many rounds, where tails are heavy
    assert found == pytest.approx(expected, rel=0.01 if spares else max(0.01, sure))


def test_staleness_of_serial_asynchronous_training_is_one_less_than_the_workers(tmp_path: Path) -> None:
    workers = 16
    specification = specified(
        "asynchronous",
        {"ahead": False},
        workers=workers,
        straggler="exponential:mean=1x",
        network=VirtualNetwork(compute_seconds=SECONDS),
        steps=60,
        batch_size=1,
    )
    ranks = trained(specification, tmp_path)
    ages: dict[int, int] = {}
    for rank in ranks:
        assert rank.telemetry is not None
        for age, count in rank.telemetry.staleness.items():
            ages[age] = ages.get(age, 0) + count
    steady = sum(ages.values())
    mean = sum(age * count for age, count in ages.items()) / steady
    # The first gradients find a centre that few have moved: a deficit of n - 1, n - 2, ... over the first n.
    missing = workers * (workers - 1) / 2 / steady
    assert mean + missing == pytest.approx(workers - 1, rel=0.03)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_delayed_gradients_are_exactly_as_late_as_they_say(steps: int, tmp_path: Path) -> None:
    ranks = trained(specified("delayed", {"steps": steps}, straggler="lognormal:sigma=1"), tmp_path)
    for rank in ranks:
        assert rank.telemetry is not None
        assert set(rank.telemetry.staleness) == {steps}
