"""An experiment that tunes tries every learning rate in one place, and runs each algorithm elsewhere at its best one."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from suite.experiment.file import ExperimentError, parse
from suite.experiment.plan import expand
from suite.harness.executor import Ended
from suite.harness.launch import Launcher
from suite.harness.outline import Options
from suite.harness.sweep import Sweeper
from suite.rank.job import read
from suite.record.store import Store
from tests.harness.scripted import FakeCluster, Rank

TEXT = """\
question = "q"
[run]
steps = 6
warmup = 0
evaluate_every = 64
[axes]
framework = ["torch"]
model = ["lenet"]
algorithm = ["synchronous", "layerwise"]
learning_rate = [0.1, 0.2, 0.4]
seed = [0, 1, 2]
[tuning]
where = { seed = 0 }
"""
BEST = {"synchronous": 0.2, "layerwise": 0.4}


def planned(text=TEXT):
    return expand(parse(text, Path("tuned.toml")))


def learns(job, over, tick):
    """Well at the algorithm's own best rate, badly elsewhere."""
    wanted = read(job.folder / "job.json").specification
    right = BEST[wanted.algorithm.name] == wanted.optimizer.learning_rate
    for number in range(wanted.workers):
        Rank(job, number).upto("ending", top1=9 if right else 4)
    return Ended("exited", 0, 3.0)


class Dies:
    """After so many runs the user interrupts."""

    def __init__(self, after):
        self.left = after

    def __call__(self, job, over, tick):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return learns(job, over, tick)


def sweeper(folder, executor=learns, out=None):
    return Sweeper(
        Store(folder),
        Console(file=out or io.StringIO(), width=160),
        Launcher(work=folder / ".work", executor=executor),
        open_cluster=lambda network, workers: FakeCluster(),
    )


def ran(done):
    return Counter((one.labels.algorithm, one.labels.learning_rate, one.labels.seed) for one in done.records)


EVERY_RATE = {(name, rate, 0) for name in BEST for rate in (0.1, 0.2, 0.4)}
ITS_BEST = {(name, rate, seed) for name, rate in BEST.items() for seed in (1, 2)}


def test_every_rate_where_it_tunes_and_the_best_of_each_elsewhere(tmp_path):
    out = io.StringIO()
    done = sweeper(tmp_path, out=out).run(planned(), Options())
    assert ran(done) == Counter(EVERY_RATE | ITS_BEST)
    assert [one.labels.seed for one in done.records[:6]] == [0] * 6
    assert all(f"[{number}/10]" in out.getvalue() for number in range(1, 11))


def test_a_rate_that_diverges_is_not_the_best_and_no_failure(tmp_path):
    def breaks(job, over, tick):
        wanted = read(job.folder / "job.json").specification
        if wanted.optimizer.learning_rate != 0.4:
            return learns(job, over, tick)
        for number in range(wanted.workers):
            rank = Rank(job, number).upto("first step")
            rank.writer.event("diverged", step=1, message="the loss is nan")
            rank.writer.event(
                "end", verdict="diverged", telemetry={"rounds": 1, "steps": 1}, digest="d", own_digest=None
            )
        return Ended("exited", 0, 3.0)

    done = sweeper(tmp_path, breaks).run(planned(), Options())
    assert (done.failed, done.diverged) == ((), 2)
    assert {one.labels.learning_rate for one in done.records if one.labels.seed} == {0.1, 0.2}


@pytest.mark.parametrize("after", [2, 6, 8])
def test_an_interrupted_sweep_goes_on_with_what_it_knows(tmp_path, after):
    first = sweeper(tmp_path, Dies(after)).run(planned(), Options())
    assert first.interrupted
    rest = sweeper(tmp_path).run(planned(), Options(resume=True))
    assert ran(first) + ran(rest) == Counter(EVERY_RATE | ITS_BEST)
    assert sweeper(tmp_path).run(planned(), Options(resume=True)).records == ()


def test_the_dry_run_counts_what_will_be_run(tmp_path):
    def shown(options):
        out = io.StringIO()
        made = sweeper(tmp_path, out=out)
        made.show(planned(), options)
        return out.getvalue()

    assert "10 of 18 runs to do" in shown(Options())
    assert shown(Options()).count("if best") == 12
    sweeper(tmp_path, Dies(6)).run(planned(), Options())
    assert "4 of 18 runs to do" in shown(Options(resume=True))
    assert shown(Options(resume=True)).count("not best") == 8


def test_a_run_that_is_asked_for_alone_is_run(tmp_path):
    poor = planned().only(["seed=1", "algorithm=synchronous", "learning_rate=0.1"])
    assert ran(sweeper(tmp_path).run(poor, Options())) == Counter([("synchronous", 0.1, 1)])


def test_other_seeds_asked_for_later_follow_what_was_tried_before(tmp_path):
    sweeper(tmp_path).run(planned().only(["seed=0"]), Options())
    done = sweeper(tmp_path).run(planned().only(["seed=1"]), Options())
    assert ran(done) == Counter((name, rate, 1) for name, rate in BEST.items())


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("{ seed = 0 }", "{ seed = 7 }", 13, "this tuning matches no run"),
        ("[0.1, 0.2, 0.4]", "[0.1]", 12, "tuning: learning_rate has one value, nothing to choose from"),
        ("{ seed = 0 }", "{ sed = 0 }", 13, "unknown key 'sed'"),
    ],
)
def test_a_tuning_that_does_nothing_is_a_mistake(old, new, line, message):
    with pytest.raises(ExperimentError) as refused:
        planned(TEXT.replace(old, new))
    assert [(one.line, one.message[: len(message)]) for one in refused.value.problems] == [(line, message)]


def test_a_further_sweep_follows_what_it_finds_and_not_what_was_known(tmp_path, monkeypatch):
    sweeper(tmp_path).run(planned(), Options())
    monkeypatch.setattr(f"{__name__}.BEST", {"synchronous": 0.1, "layerwise": 0.4})
    again = ran(sweeper(tmp_path).run(planned(), Options()))
    for seed in (1, 2):  # one for each algorithm, whichever the records of both sweeps together speak for
        assert sum(count for (name, _, at), count in again.items() if (name, at) == ("synchronous", seed)) == 1
