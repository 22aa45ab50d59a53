"""A sweep does what is missing, in order, keeps its cluster while it can, and shows what it does."""

from __future__ import annotations

import io
import multiprocessing
import re
import signal

import pytest
from rich.console import Console

from suite.cluster.contract import ClusterError
from suite.harness import launch
from suite.harness.display import Display
from suite.harness.executor import Ended
from suite.harness.outline import Options
from suite.harness.progress import Follower, Progress
from suite.rank.samples import RankWriter, Step
from suite.record.outcome import Failed, Reason
from suite.record.store import Store, StoreError
from tests.harness.scripted import FakeCluster, Rank, Scripted, finish, plan, sweeper
from tests.record.examples import record


def test_every_run_leaves_one_record_with_its_place(tmp_path):
    done = sweeper(tmp_path / "results", Scripted()).run(plan(seeds=3, repetitions=2), Options())
    assert len(done.records) == 6
    assert [one.sweep.position for one in done.records] == list(range(6))
    assert {one.repetition for one in done.records} == {0, 1}
    assert len({one.sweep.identifier for one in done.records}) == 1
    one = done.records[0]
    assert one.finished
    assert one.experiment == "faults"
    assert one.evaluations[0].top1 == 0.5
    assert one.hosts[0].ranks == (0, 1)
    assert one.cluster.interface_bytes == (0,)
    assert re.fullmatch(r"python -m suite bench faults.toml --only [0-9a-f]{12} --repeat 1", one.command)


def test_only_adasum_is_launched_over_mpi(tmp_path):
    executor = Scripted()
    wanted = plan(seeds=1, algorithms=("synchronous", "adasum", "torch_ddp"))
    done = sweeper(tmp_path / "results", executor).run(wanted, Options())
    launched = {one.labels.algorithm: job.command[0] for one, job in zip(done.records, executor.jobs, strict=True)}
    assert launched == {"synchronous": "run", "adasum": "run over MPI", "torch_ddp": "run"}


def test_a_second_sweep_adds_repetitions_and_rewrites_nothing(tmp_path):
    folder = tmp_path / "results"
    sweeper(folder, Scripted()).run(plan(seeds=2), Options())
    before = {path: path.read_bytes() for path in Store(folder).files()}
    sweeper(folder, Scripted()).run(plan(seeds=2), Options())
    contents = Store(folder).read()
    assert sorted(one.repetition for one in contents.latest()) == [0, 0, 1, 1]
    assert len({one.sweep.identifier for one in contents.records}) == 2
    assert {path: path.read_bytes() for path in before} == before


def test_resuming_a_finished_sweep_does_nothing(tmp_path):
    folder = tmp_path / "results"
    sweeper(folder, Scripted()).run(plan(), Options())
    sweeper(folder, Scripted()).run(plan(), Options())
    executor = Scripted()
    done = sweeper(folder, executor).run(plan(), Options(resume=True))
    assert (done.records, done.skipped, executor.jobs) == ((), 3, [])


def test_a_damaged_record_is_run_again_by_a_resumed_sweep(tmp_path):
    folder = tmp_path / "results"
    sweeper(folder, Scripted()).run(plan(), Options())
    victim = Store(folder).files()[1]
    victim.write_text("{")
    done = sweeper(folder, Scripted()).run(plan(), Options(resume=True))
    assert len(done.records) == 1
    assert len(done.set_aside) == 1
    assert len(Store(folder).read().latest()) == 3


def test_a_cluster_is_kept_while_it_is_wanted_and_closed_at_the_end(tmp_path):
    opened = []

    def opener(network, workers):
        opened.append(FakeCluster())
        return opened[-1]

    made = sweeper(tmp_path / "results", Scripted())
    made = type(made)(made.store, made.console, made.launcher, opener)
    made.run(plan(seeds=3), Options())
    assert len(opened) == 1
    assert opened[0].entered == 0


def test_a_cluster_that_fell_over_is_replaced(tmp_path):
    opened = []

    class Falls(FakeCluster):
        def command(self, ranks, argv, *, mpi=False):
            if len(opened) == 1:
                raise ClusterError("the hosts are gone")
            return super().command(ranks, argv, mpi=mpi)

    def opener(network, workers):
        opened.append(Falls())
        return opened[-1]

    made = sweeper(tmp_path / "results", Scripted())
    made = type(made)(made.store, made.console, made.launcher, opener)
    first, *others = made.run(plan(seeds=3), Options()).records
    assert first.outcome.reason is Reason.CLUSTER
    assert all(one.finished for one in others)
    assert len(opened) == 2
    assert all(one.entered == 0 for one in opened)


def test_every_cluster_is_kept_until_the_end_and_only_a_doubtful_one_is_made_anew(tmp_path):
    opened = []

    class Counted(FakeCluster):
        def command(self, ranks, argv, *, mpi=False):
            if ranks == 4 and [ranks for ranks, _ in opened].count(4) == 1:
                raise ClusterError("the hosts are gone")
            return super().command(ranks, argv, mpi=mpi)

    def opener(network, workers):
        opened.append((workers, Counted()))
        return opened[-1][1]

    made = sweeper(tmp_path / "results", Scripted())
    made = type(made)(made.store, made.console, made.launcher, opener)
    records = made.run(plan(seeds=1, repetitions=4, workers=(2, 4)), Options()).records
    assert [one.outcome.status for one in records].count("failed") == 1
    assert sorted(workers for workers, _ in opened) == [2, 4, 4]
    assert all(cluster.entered == 0 for _, cluster in opened)


def sweep_slowly(folder, ready, stop):
    def run(job):
        ready.set()
        stop.wait(30)
        return finish(job)

    sweeper(folder, Scripted({0: run})).run(plan(seeds=1), Options())


def test_two_sweeps_do_not_mix(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, stop = context.Event(), context.Event()
    other = context.Process(target=sweep_slowly, args=(tmp_path / "results", ready, stop))
    other.start()
    try:
        assert ready.wait(30)
        with pytest.raises(StoreError, match="another sweep"):
            sweeper(tmp_path / "results", Scripted()).run(plan(), Options())
    finally:
        stop.set()
        other.join(30)
    assert len(Store(tmp_path / "results").read().records) == 1


def test_folders_of_runs_that_a_killed_harness_left_are_removed(tmp_path):
    work = tmp_path / "results" / ".work"
    orphan = work / "run-999999999-1-0-0"
    sweeper(tmp_path / "results", Scripted()).run(plan(), Options())
    orphan.mkdir()
    from suite.harness import tokens

    found = tokens.new()
    (work / found).mkdir()
    (work / found.replace(str(found.split("-")[1]), "999999999", 1)).mkdir()
    sweeper(tmp_path / "results", Scripted()).run(plan(), Options())
    assert [path.name for path in sorted(work.iterdir())] == sorted(["run-999999999-1-0-0", found])


def test_checkpoints_of_other_code_are_removed_and_those_of_this_code_are_kept(tmp_path):
    from suite.virtual import code

    work = tmp_path / "results" / ".work"
    work.mkdir(parents=True)
    ours = code.checkpoint_name("0" * 64)
    for name in (ours, "0000000000000000.checkpoint", "0000000000000000-abc-torch-2.0.checkpoint"):
        (work / name).touch()
    made = sweeper(tmp_path / "results", Scripted())
    made.run(plan(), Options())
    assert [path.name for path in work.iterdir()] == [ours]
    assert "2 interrupted in virtual time by other code" in made.console.file.getvalue()


def test_a_dry_run_starts_nothing_and_shows_every_run(tmp_path):
    executor = Scripted()
    made = sweeper(tmp_path / "results", executor)
    made.show(plan(seeds=3), Options())
    text = made.console.file.getvalue()
    assert "What happens?" in text
    assert "3 of 3 runs to do" in text
    assert text.count("lenet") == 1  # what all runs share is said once
    assert executor.jobs == []
    assert not (tmp_path / "results").exists()


def test_without_a_terminal_there_is_a_line_per_run(tmp_path):
    def fail(job):
        raise RuntimeError("no")

    made = sweeper(tmp_path / "results", Scripted({1: fail}))
    made.run(plan(seeds=3), Options())
    lines = made.console.file.getvalue().splitlines()
    assert [line[:5] for line in lines] == ["[1/3]", "[2/3]", "[3/3]"]
    assert sum("failed: harness" in line for line in lines) == 1
    assert lines[-1].endswith("0:00 left")


def test_the_live_table_shows_what_is_done_running_and_ahead():
    made = plan(seeds=20)
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    now = {"time": 0.0}
    display = Display(made, [1.0] * 20, [10.0] * 20, console, clock=lambda: now["time"])
    with display:
        for run in made.runs[:15]:
            display.started(run, 70.0)
            good = record(run.specification, wall_seconds=20.0)
            bad = record(run.specification, wall_seconds=20.0, outcome=Failed(reason=Reason.HUNG, message="m"))
            display.ended(run, bad if run.position == 13 else good)
        display.started(made.runs[15], 70.0)
        display.watch(Progress({0: 5, 1: 3}, 0, 0), 8.0)
        now["time"] = 308.0
        screen = Console(file=io.StringIO(), width=100)
        screen.print(display.render())
    text = screen.file.getvalue()
    assert "15/20 runs" in text
    assert "1 failed" in text
    assert "failed: hung" in text
    assert "3/8" in text  # the slowest rank's step
    assert "8 s of at most 70" in text
    assert text.count("waiting") == 4
    assert "5:08 so far, 1:32 left" in text  # five runs of 20 s, less the 8 that the current one has taken


def test_progress_is_read_from_the_ends_of_growing_files(tmp_path):
    follower = Follower(tmp_path, 2)
    assert follower.look().steps == {}
    one, two = RankWriter(tmp_path, 0), RankWriter(tmp_path, 1)
    one.step(Step(0, False, 0.0, 0.1, 1.0))
    assert follower.look().steps == {0: 1, 1: 0}
    one.step(Step(1, False, 0.1, 0.1, 1.0))
    two.event("end", telemetry={})
    assert follower.look().steps == {0: 2, 1: 0}
    assert not follower.over()
    one.event("end", telemetry={})
    assert follower.over()
    assert follower.look().finished == 2


def test_a_narrowed_sweep_resumes_its_own_runs(tmp_path):
    """Positions are those of what is left of the plan, not of the whole experiment."""
    folder = tmp_path / "results"
    narrowed = plan(seeds=4).only(["seed=1", "seed=3"])
    sweeper(folder, Scripted()).run(narrowed, Options())
    executor = Scripted()
    done = sweeper(folder, executor).run(narrowed, Options(resume=True))
    assert (done.records, done.skipped, executor.jobs) == ((), 2, [])
    wider = sweeper(folder, executor).run(plan(seeds=4).only(["seed=[123]"]), Options(resume=True))
    assert ([one.labels.seed for one in wider.records], wider.skipped) == ([2], 2)


def test_a_cluster_that_cannot_even_describe_itself_is_the_reason(tmp_path):
    """The record says what went wrong first, and keeps what the ranks had written."""

    class Gone(FakeCluster):
        def facts(self):
            raise ClusterError("the hosts are gone")

    def killed(job):
        for number in range(2):
            Rank(job, number).upto("middle")
        return Ended("exited", -9, 3.0)

    done = sweeper(tmp_path / "results", Scripted({0: killed}), Gone()).run(plan(seeds=2), Options())
    first, second = done.records
    assert first.outcome.reason is not Reason.HARNESS
    assert first.cluster is None
    assert [len(one.steps.seconds) for one in first.ranks] == [2, 2]
    assert second.finished


def test_a_cluster_that_fails_at_describing_itself_costs_its_run_only_and_is_asked_once(tmp_path):
    class Broken(FakeCluster):
        asked = 0

        def facts(self):
            self.asked += 1
            raise RuntimeError("no words")

    cluster = Broken()
    done = sweeper(tmp_path / "results", Scripted(), cluster).run(plan(seeds=2), Options())
    assert [one.outcome.reason for one in done.records] == [Reason.HARNESS] * 2
    assert all("no words" in one.outcome.message for one in done.records)
    assert cluster.asked == 2


def test_a_signal_does_not_stop_the_cleaning_of_a_cluster(tmp_path):
    class Slow(FakeCluster):
        cleaned = False

        def __exit__(self, *error):
            signal.raise_signal(signal.SIGTERM)
            self.cleaned = True

    cluster = Slow()
    with pytest.raises(KeyboardInterrupt):
        sweeper(tmp_path / "results", Scripted(), cluster).run(plan(seeds=2), Options())
    assert cluster.cleaned
    assert len(Store(tmp_path / "results").read().records) == 2


def test_a_signal_while_a_runs_folder_is_removed_loses_neither_the_record_nor_the_cleaning(tmp_path, monkeypatch):
    remove = launch.shutil.rmtree

    def told(folder, **options):
        signal.raise_signal(signal.SIGTERM)
        remove(folder, **options)

    monkeypatch.setattr(launch.shutil, "rmtree", told)
    done = sweeper(tmp_path / "results", Scripted()).run(plan(seeds=2), Options())
    assert done.interrupted
    (record,) = done.records
    assert record.finished and Store(tmp_path / "results").read().records == (record,)
    assert not list((tmp_path / "results").rglob("rank-*.jsonl"))
