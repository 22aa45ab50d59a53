"""Every kind of fault at every moment of a run: a failed record with the right reason, nothing lost, nothing left."""

from __future__ import annotations

import errno
import json
from dataclasses import replace

import pytest

import suite.record.store as store_module
from suite.cluster.contract import ClusterError
from suite.harness.executor import Ended
from suite.harness.outline import Options
from suite.record.outcome import Diverged, Failed, Reason
from suite.record.store import Store
from tests.harness.scripted import MOMENTS, FakeCluster, Rank, Scripted, finish, plan, sweeper

HOROVODRUN = (
    "Process {rank} exit with status code {code}.\nTerminating remaining workers after failure of Process {rank}.\n"
)
PEER = "HorovodInternalError: Connection closed by peer [127.0.0.1]:1234"


def both(job, moment, other="middle"):
    """Rank 1 came as far as `moment`; rank 0 at least as far as that lets it."""
    one = Rank(job, 1).upto(moment)
    zero = Rank(job, 0).upto(moment if MOMENTS.index(moment) < 3 else other)
    return zero, one


def signalled(number):
    def script(moment):
        def run(job):
            both(job, moment)
            return Ended("exited", 1, 2.0, "", f"[1]<stderr>:gone\n{HOROVODRUN.format(rank=1, code=128 + number)}")

        return run

    return script


def killed_by_the_kernel_for_memory(moment):
    def run(job):
        both(job, moment)
        return Ended("exited", 1, 2.0, "", HOROVODRUN.format(rank=1, code=137), out_of_memory_kills=1)

    return run


def raised(message, kind):
    """Rank 1 raises; rank 0 notices, and its clock is ahead."""

    def script(moment):
        def run(job):
            zero, one = both(job, moment)
            zero.fails(PEER, "HorovodInternalError", at=1.0, consequence=True)
            one.fails(message, kind, at=2.0)
            return Ended("exited", 1, 2.0, "", HOROVODRUN.format(rank=0, code=1))

        return run

    return script


def hung(moment):
    def run(job):
        both(job, moment, "last step")
        # horovodrun tells the signal with which we ended it as if it were the ranks' own.
        return Ended("deadline", 1, 60.0, "", HOROVODRUN.format(rank=0, code=-15))

    return run


def hung_and_said_so(moment):
    def run(job):
        both(job, moment, "last step")
        stack = (
            '[1]<stderr>:x\nTimeout (0:01:00)!\nThread 0x1 (most recent call first):\n  File "a.py", line 1 in wait\n'
        )
        return Ended("exited", 1, 60.0, "", stack + HOROVODRUN.format(rank=1, code=1))

    return run


def unreachable(moment):
    def run(job):
        if moment != "nothing":
            both(job, moment)
        return Ended("exited", 1, 2.0, "", "ssh: connect to host 10.0.0.2 port 22: No route to host\n")

    return run


def only_blames_others(moment):
    def run(job):
        zero, one = both(job, moment)
        zero.fails(PEER, "HorovodInternalError", consequence=True)
        one.fails(PEER, "HorovodInternalError", consequence=True)
        return Ended("exited", 1, 2.0, "", HOROVODRUN.format(rank=0, code=1))

    return run


def interrupted(moment):
    def run(job):
        both(job, moment)
        return Ended("interrupted", None, 1.0)

    return run


def harness_disk_full(moment):
    def run(job):
        both(job, moment)
        raise OSError(errno.ENOSPC, "No space left on device")

    return run


def harness_fault(moment):
    def run(job):
        both(job, moment)
        raise RuntimeError("a fault of the harness")

    return run


KINDS = {
    "SIGKILL": (signalled(9), Reason.KILLED),
    "SIGSEGV": (signalled(11), Reason.KILLED),
    "kernel out of memory": (killed_by_the_kernel_for_memory, Reason.MEMORY),
    "MemoryError": (raised("MemoryError: no message", "MemoryError"), Reason.MEMORY),
    "torch out of memory": (
        raised("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory", "RuntimeError"),
        Reason.MEMORY,
    ),
    "TensorFlow out of memory": (
        raised("ResourceExhaustedError: OOM when allocating tensor", "ResourceExhaustedError"),
        Reason.MEMORY,
    ),
    "exception": (raised("ValueError: wrong", "ValueError"), Reason.ERROR),
    "rank's disk full": (raised("OSError: [Errno 28] No space left on device", "OSError"), Reason.DISK),
    "hung": (hung, Reason.HUNG),
    "hung, ended itself": (hung_and_said_so, Reason.HUNG),
    "host unreachable": (unreachable, Reason.UNREACHABLE),
    "all blame each other": (only_blames_others, Reason.ERROR),
    "harness's disk full": (harness_disk_full, Reason.DISK),
    "harness fault": (harness_fault, Reason.HARNESS),
}
TABLE = [(kind, moment) for kind in KINDS for moment in MOMENTS]


def expected_reason(kind, moment):
    reason = KINDS[kind][1]
    if kind == "exception" and MOMENTS.index(moment) < 3:
        return Reason.START  # it never took a step
    return reason


def test_a_hundred_faults_in_one_sweep(tmp_path):
    """The table kinds x moments, good runs in between, in one sweep."""
    assert len(TABLE) >= 100
    faulty = {2 * index: KINDS[kind][0](moment) for index, (kind, moment) in enumerate(TABLE)}
    made = sweeper(tmp_path / "results", Scripted(faulty))
    done = made.run(plan(seeds=2 * len(TABLE)), Options())
    assert not done.interrupted
    assert len(done.records) == 2 * len(TABLE)
    kept = {record.specification.seed: record for record in Store(tmp_path / "results").read().records}
    assert sorted(kept) == list(range(2 * len(TABLE)))
    wrong = []
    for index, (kind, moment) in enumerate(TABLE):
        outcome = kept[2 * index].outcome
        if not isinstance(outcome, Failed) or outcome.reason is not expected_reason(kind, moment):
            wrong.append((kind, moment, outcome))
        assert kept[2 * index + 1].finished
    assert wrong == []
    assert list((tmp_path / "results" / ".work").iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_message_tells_what_happened_to_whom(tmp_path, kind):
    made = sweeper(tmp_path / "results", Scripted({0: KINDS[kind][0]("middle")}))
    (record,) = made.run(plan(seeds=1), Options()).records
    outcome = record.outcome
    assert isinstance(outcome, Failed)
    if kind not in ("host unreachable", "harness's disk full", "harness fault", "all blame each other"):
        assert outcome.rank == 1
        assert "rank 1" in outcome.message
    assert len(record.ranks) == 2


@pytest.mark.parametrize("consequence", [False, True])
def test_clocks_of_hosts_that_differ_blame_nobody(tmp_path, consequence):
    """Rank 1 fails two seconds after all began, rank 0 three, by a clock that is behind."""

    def run(job):
        for rank, began, later in zip(both(job, "middle"), (1000.0, 1050.0), (3.0, 2.0), strict=True):
            rank.writer.event("start", time=began)
            rank.fails(PEER, "HorovodInternalError", at=began + later, consequence=consequence)
        return Ended("exited", 1, 2.0)

    (record,) = sweeper(tmp_path / "results", Scripted({0: run})).run(plan(seeds=1), Options()).records
    assert record.outcome.rank == 1


def test_samples_up_to_the_fault_are_kept(tmp_path):
    made = sweeper(tmp_path / "results", Scripted({0: KINDS["SIGKILL"][0]("middle")}))
    (record,) = made.run(plan(seeds=1), Options()).records
    assert len(record.ranks) == 2
    assert len(record.ranks[1].warmup.seconds) == 2
    assert len(record.ranks[1].steps.seconds) == 2
    assert not record.ranks[1].complete


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interruption_is_recorded_ends_the_sweep_and_resumes_with_the_rest(tmp_path, moment):
    folder = tmp_path / "results"
    first = sweeper(folder, Scripted({1: interrupted(moment)})).run(plan(seeds=4), Options())
    assert first.interrupted
    reasons = [record.outcome.reason for record in first.failed]
    assert reasons == [Reason.INTERRUPTED]
    before = {path: path.read_bytes() for path in Store(folder).files()}
    executor = Scripted()
    second = sweeper(folder, executor).run(plan(seeds=4), Options(resume=True))
    assert not second.interrupted
    assert second.skipped == len(first.records) - 1
    assert len(executor.jobs) == 4 - second.skipped
    contents = Store(folder).read()
    assert len(contents.latest()) == 4
    assert all(record.finished for record in contents.latest())
    assert {path: path.read_bytes() for path in before} == before
    assert len({record.sweep.identifier for record in contents.records}) == 1


def test_divergence_is_a_verdict_and_not_a_fault(tmp_path):
    def run(job):
        for number in (0, 1):
            rank = Rank(job, number).upto("middle")
            rank.writer.event("diverged", step=3 + number, message="the loss is nan")
            rank.upto("ending")
        return Ended("exited", 0, 2.0)

    (record,) = sweeper(tmp_path / "results", Scripted({0: run})).run(plan(seeds=1), Options()).records
    assert record.outcome == Diverged(step=3, message="the loss is nan")


def test_ranks_that_end_with_different_parameters_are_not_a_result(tmp_path):
    def run(job):
        Rank(job, 0).upto("ending", digest="a")
        Rank(job, 1).upto("ending", digest="b")
        return Ended("exited", 0, 2.0)

    (record,) = sweeper(tmp_path / "results", Scripted({0: run})).run(plan(seeds=1), Options()).records
    assert record.outcome.reason is Reason.VERIFICATION
    assert "rank 1 ended with other parameters" in record.outcome.message


def test_a_rank_without_a_word_is_not_a_result(tmp_path):
    def run(job):
        Rank(job, 0).upto("ending")
        return Ended("exited", 0, 2.0)

    (record,) = sweeper(tmp_path / "results", Scripted({0: run})).run(plan(seeds=1), Options()).records
    assert record.outcome.reason is Reason.VERIFICATION
    assert "rank 1 left no end" in record.outcome.message


def test_ranks_that_finish_but_stay_are_a_result_with_a_warning(tmp_path):
    def run(job):
        finish(job)
        return Ended("lingering", None, 20.0)

    (record,) = sweeper(tmp_path / "results", Scripted({0: run})).run(plan(seeds=1), Options()).records
    assert record.finished
    assert "did not exit by themselves" in record.warnings[0]


def test_a_cluster_that_does_not_deliver_fails_its_runs_and_says_why(tmp_path):
    broken = FakeCluster(broken="asked for 400 Mbit/s, measured 120")
    done = sweeper(tmp_path / "results", Scripted(), broken).run(plan(seeds=3), Options())
    assert [record.outcome.reason for record in done.records] == [Reason.CLUSTER] * 3
    assert "measured 120" in done.records[0].outcome.message


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), Reason.DISK),
        (json.JSONDecodeError("Expecting value", "", 0), Reason.HARNESS),
        (ClusterError("no namespaces here"), Reason.CLUSTER),
    ],
    ids=lambda one: type(one).__name__,
)
def test_whatever_fails_while_hosts_are_made_costs_that_run_only(tmp_path, error, reason):
    class Broken(FakeCluster):
        def __enter__(self):
            raise error

    opened = iter([Broken(), FakeCluster()])
    made = sweeper(tmp_path / "results", Scripted())
    made = type(made)(made.store, made.console, made.launcher, lambda network, workers: next(opened))
    first, *others = made.run(plan(seeds=3), Options()).records
    assert (first.outcome.reason, len(others)) == (reason, 2)
    assert all(one.finished for one in others)


def test_a_framework_that_cannot_be_imported_for_all_costs_that_run_only(tmp_path):
    class Warm:
        def command(self, specification, settings, path):
            if specification.seed == 0:
                raise TimeoutError("torch was not imported within 600 s")

    made = sweeper(tmp_path / "results", Scripted())
    made = type(made)(made.store, made.console, replace(made.launcher, warm=Warm()), made.open_cluster)
    first, second = made.run(plan(seeds=2), Options()).records
    assert (first.outcome.reason, first.outcome.message) == (Reason.HARNESS, "torch was not imported within 600 s")
    assert second.finished


def test_a_command_that_cannot_start_is_named(tmp_path):
    def run(job):
        return Ended("unstartable", None, 0.0, "", "horovodrun: No such file or directory")

    (record,) = sweeper(tmp_path / "results", Scripted({0: run})).run(plan(seeds=1), Options()).records
    assert record.outcome.reason is Reason.START
    assert "horovodrun: No such file" in record.outcome.message


def test_a_disk_that_fills_up_while_recording_costs_that_run_only(tmp_path, monkeypatch):
    real = store_module._write_atomically
    full = {"left": 1}

    def write(path, content):
        if path.name != store_module.MARKER and full["left"]:
            full["left"] -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, content)

    monkeypatch.setattr(store_module, "_write_atomically", write)
    sweeper(tmp_path / "results", Scripted()).run(plan(seeds=3), Options())
    outcomes = [record.outcome for record in Store(tmp_path / "results").read().records]
    assert sorted(outcome.status for outcome in outcomes) == ["failed", "finished", "finished"]
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, Failed)] == [Reason.DISK]


def test_a_failed_run_is_tried_again_only_on_request(tmp_path):
    folder = tmp_path / "results"
    sweeper(folder, Scripted({1: KINDS["SIGKILL"][0]("middle")})).run(plan(seeds=3), Options())
    assert len(sweeper(folder, Scripted()).run(plan(seeds=3), Options(resume=True)).records) == 0
    (again,) = sweeper(folder, Scripted()).run(plan(seeds=3), Options(resume=True, retry=True)).records
    assert (again.specification.seed, again.attempt, again.finished) == (1, 1, True)
    assert len(Store(folder).read().records) == 4
