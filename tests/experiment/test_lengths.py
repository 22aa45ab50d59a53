"""Experiments run for as long as what they ask takes to show."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from suite.cluster import stragglers
from suite.experiment import file as experiments
from suite.experiment.plan import Planned, expand
from suite.record.specification import Specification

SHIPPED = sorted(path.stem for path in (Path(experiments.__file__).parents[1] / "experiments").glob("*.toml"))
LEAST_PERIODS = 3
# Its variance is infinite: no number of steps gives it an interval of a stated width.
WITHOUT_END = "pareto:alpha=1.5"


def plans(name: str) -> list[list[Planned]]:
    """Of every cell its repetitions."""
    cells: dict[str, list[Planned]] = {}
    for run in expand(experiments.load(name)).runs:
        cells.setdefault(run.identity, []).append(run)
    return list(cells.values())


def compute(specification: Specification) -> float:
    if specification.network.compute_seconds is not None:
        return specification.network.compute_seconds
    replay = specification.model.replay
    assert replay is not None and replay.forward is not None and replay.backward is not None
    return replay.forward + replay.backward


@pytest.mark.parametrize("name", SHIPPED)
def test_runs_have_three_whole_periods(name: str) -> None:
    for first, *_ in plans(name):
        asked = first.specification
        period = asked.algorithm.options.get("period") or 1
        pause = stragglers.repeats_after(asked.straggler) if asked.straggler else 1
        assert asked.steps >= LEAST_PERIODS * max(period, pause, asked.steps_per_execution), first.labels


@pytest.mark.parametrize("name", SHIPPED)
def test_luck_does_not_decide_how_many_slow_steps_there_are(name: str) -> None:
    needed = functools.cache(stragglers.steps_needed)  # alike for every algorithm and network
    for runs in plans(name):
        asked = runs[0].specification
        if asked.straggler is None or asked.straggler.startswith(WITHOUT_END):
            continue
        assert len(runs) * asked.steps >= needed(asked.straggler, asked.workers, compute(asked)), runs[0].labels


@pytest.mark.parametrize("name", SHIPPED)
def test_nothing_rests_on_one_run(name: str) -> None:
    """A round holds everything once: repetitions, or other seeds, which alone make another run in virtual time."""
    runs = expand(experiments.load(name)).runs
    rounds = (
        {run.round for run in runs}
        if runs[0].specification.kind != "simulated"
        else {run.specification.seed for run in runs}
    )
    assert len(rounds) >= 2


def test_what_is_needed_is_what_a_binomial_says() -> None:
    """One rank, 4 x slower in a tenth of its steps: (1.96 s / (0.1 m))^2 with mean m = 1.4 and s^2 = 16 x 0.09."""
    needed = stragglers.steps_needed("bimodal:probability=0.1,slow=4x,rank=0", 2, 0.1)
    assert needed == pytest.approx((1.96 * 1.2 / 0.14) ** 2, rel=0.2)
    assert stragglers.steps_needed("constant:factor=4,rank=1", 2, 0.1) == 0
    assert stragglers.steps_needed("pause:every=8,length=0.5s,rank=1", 4, 0.1) == 0
    assert stragglers.repeats_after("pause:every=8,length=0.5s,rank=1") == 8
    assert stragglers.repeats_after("lognormal:sigma=1,mean=1x") == 1
    persistent = stragglers.steps_needed("lognormal:sigma=1,mean=1x,persistence=0.9", 4, 0.1)
    assert persistent > 3 * stragglers.steps_needed("lognormal:sigma=1,mean=1x", 4, 0.1), "alike steps tell less"
