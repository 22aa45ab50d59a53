"""A sweep says which runs were disturbed, keeps them, and runs them again at its end."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from rich.console import Console

from suite.harness.again import CALMER
from suite.harness.executor import Ended
from suite.harness.outline import Options
from suite.rank.job import read
from suite.record.store import Store
from suite.report import evidence
from suite.report.study import study
from tests.disturbance.surroundings import neighbour, surroundings
from tests.harness.scripted import FakeCluster, Rank, plan, sweeper

BUSY = neighbour(0.6, 0, 20)


@dataclass
class Neighbourly:
    """An executor beside a neighbour that computes during the first so many attempts at each of the seeds named."""

    attempts: dict[int, int]
    seen: list[int] = field(default_factory=list)

    def __call__(self, job, over, tick):
        seed = read(job.folder / "job.json").specification.seed
        others = BUSY if self.seen.count(seed) < self.attempts.get(seed, 0) else None
        self.seen.append(seed)
        for number in range(2):
            Rank(job, number).upto("ending", surroundings=surroundings(leads=number == 0, others=others))
        return Ended("exited", 0, 3.0)


@dataclass
class Interrupted:
    """As the other, until it comes to a seed."""

    executor: Neighbourly
    at: int

    def __call__(self, job, over, tick):
        if read(job.folder / "job.json").specification.seed == self.at:
            return Ended("interrupted", None, 3.0)
        return self.executor(job, over, tick)


def swept(folder, executor, *, resume=False):
    console = Console(file=io.StringIO(), width=200)
    own = sweeper(folder, executor)
    done = type(own)(own.store, console, own.launcher, own.open_cluster).run(plan(seeds=3), Options(resume=resume))
    return done, console.file.getvalue()


def test_a_disturbed_run_is_run_again_and_stays_as_evidence(tmp_path):
    executor = Neighbourly({1: 1})
    done, said = swept(tmp_path / "results", executor)
    assert executor.seen == [0, 1, 2, 1]
    assert "[2/3] 1: finished, disturbed: other processes took 0.60 of a core" in said
    assert "1 run was disturbed: once more" in said
    assert len(done.records) == len(Store(tmp_path / "results").files()) == 4
    counting = Store(tmp_path / "results").read().latest()
    assert sorted((one.labels.seed, one.attempt) for one in counting) == [(0, 0), (1, 1), (2, 0)]


def test_it_tries_so_many_times_and_says_so_where_nothing_better_came(tmp_path):
    executor = Neighbourly({1: 99})
    swept(tmp_path / "results", executor)
    assert executor.seen == [0, 1, 2, *[1] * CALMER]
    found = evidence.read(tmp_path / "results")
    assert list(found.disturbed.values()) == [("other processes took 0.60 of a core",)]
    arm = study(found).experiments[0].arms[0]
    assert sum(bool(run.disturbed) for run in arm.runs) == 1
    assert len(arm.timed) == 2  # the quiet ones


def test_what_disturbed_the_first_run_is_known_at_the_end(tmp_path):
    executor = Neighbourly({0: 1})
    _, said = swept(tmp_path / "results", executor)
    assert executor.seen == [0, 1, 2, 0]
    assert "[1/3] 0: finished, typical" in said  # nothing to compare with yet


def test_after_a_disturbed_run_the_wire_is_measured_again(tmp_path):
    opened = []
    own = sweeper(tmp_path / "results", Neighbourly({1: 1}))
    opening = type(own)(own.store, own.console, own.launcher, lambda *_: opened.append(FakeCluster()) or opened[-1])
    opening.run(plan(seeds=3), Options())
    assert len(opened) == 2  # before the first run, and after the disturbed one


def test_a_resumed_sweep_runs_what_was_disturbed_again(tmp_path):
    swept(tmp_path / "results", Interrupted(Neighbourly({1: 1}), at=2))
    executor = Neighbourly({})
    done, _ = swept(tmp_path / "results", executor, resume=True)
    assert (executor.seen, done.skipped) == ([1, 2], 1)
    counting = Store(tmp_path / "results").read().latest()
    assert sorted((one.labels.seed, one.attempt) for one in counting) == [(0, 0), (1, 1), (2, 1)]


def test_a_resumed_sweep_knows_how_quiet_it_was(tmp_path):
    swept(tmp_path / "results", Interrupted(Neighbourly({}), at=1))
    executor = Neighbourly({1: 1, 2: 1})
    swept(tmp_path / "results", executor, resume=True)
    assert executor.seen == [1, 2, 1, 2]


def test_a_resumed_sweep_that_is_quieter_runs_again_what_was_there(tmp_path):
    swept(tmp_path / "results", Interrupted(Neighbourly({0: 1, 1: 1}), at=2))
    executor = Neighbourly({})
    _, said = swept(tmp_path / "results", executor, resume=True)
    assert executor.seen == [2, 0, 1]
    assert "2 runs were disturbed: once more" in said
    assert [line.split()[0] for line in said.splitlines() if line.startswith("[")] == ["[3/3]", "[2/3]", "[3/3]"]


def test_attempts_are_counted_over_all_sessions(tmp_path):
    swept(tmp_path / "results", Interrupted(Neighbourly({1: 99}), at=2))
    executor = Neighbourly({1: 99})
    swept(tmp_path / "results", executor, resume=True)
    assert executor.seen == [1, 2, 1]
    executor.seen.clear()
    swept(tmp_path / "results", executor, resume=True)
    assert executor.seen == []
