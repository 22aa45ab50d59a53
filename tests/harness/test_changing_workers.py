"""Runs whose workers come and go: what the harness does about it, and which of them are results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suite.experiment.file import parse
from suite.experiment.plan import Plan, expand
from suite.harness.elastic import GLOO_TIMEOUT_SECONDS, Staged, host
from suite.harness.executor import Ended, Job
from suite.harness.outline import Options
from suite.harness.progress import Progress
from suite.record.outcome import Failed, Finished, Reason
from tests.harness.scripted import Rank, Scripted, sweeper
from tests.record.examples import specification

KILLED = "Process 1 exit with status code 137.\n"
RECOVERY = {"lost": True, "noticed": 1.5, "resumed": 2.0, "before": 3, "workers": 2, "newcomers": 0, "samples_lost": 8}


def plan(fault: str) -> Plan:
    text = f"""
question = "What happens?"
[run]
steps = 6
warmup = 2
[axes]
framework = ["torch"]
model = ["lenet"]
algorithm = ["synchronous"]
workers = [3]
faults = [{json.dumps(fault)}]
"""
    return expand(parse(text, Path("changing.toml")))


def survives(job: Job, number: int, digest: str = "d", *, recovers: bool = True) -> None:
    rank = Rank(job, number).upto("last step")
    if recovers:
        rank.writer.event("recovery", **RECOVERY)
    rank.writer.event("end", verdict="finished", telemetry={"rounds": 8, "steps": 8}, digest=digest)


def is_killed(job: Job) -> None:
    Rank(job, 1).upto("middle").writer.event("fault", host="127.0.0.3", seconds=1.0, samples_lost=8)


def ran(folder: Path, fault: str, script) -> tuple[Scripted, Failed | Finished]:
    executor = Scripted({0: script})
    (record,) = sweeper(folder, executor).run(plan(fault), Options()).records
    return executor, record


def test_a_killed_rank_is_no_failure_where_the_others_went_on(tmp_path: Path) -> None:
    def script(job: Job) -> Ended:
        is_killed(job)
        survives(job, 0)
        survives(job, 2)
        return Ended("exited", 0, 3.0, "", KILLED)

    executor, record = ran(tmp_path, "kill:rank=1,step=2", script)
    assert record.finished
    assert [(rank.complete, len(rank.recoveries)) for rank in record.ranks] == [(True, 1), (False, 0), (True, 1)]
    assert record.ranks[1].happened.samples_lost == 8
    assert record.cluster.asked == {"gloo_timeout_seconds": GLOO_TIMEOUT_SECONDS["kill"]}
    (job,) = executor.jobs
    assert "--host-discovery-script" in job.command and job.environment["HOROVOD_GLOO_TIMEOUT_SECONDS"] == "20"
    assert job.command[job.command.index("--min-np") + 1] == "2"


@pytest.mark.parametrize(
    ("script", "reason", "said"),
    [
        ("another dies", Reason.KILLED, "rank 2 was ended by SIGKILL"),
        ("hangs", Reason.HUNG, "rank 0 was past step 7, rank 2 was past step 7"),
        ("raises", Reason.ERROR, "rank 0 after step 7: ValueError: no way on"),
        ("nobody notices", Reason.VERIFICATION, "the run was over before its workers had changed (kill:rank=1,step=2)"),
        ("they differ", Reason.VERIFICATION, "rank 2 ended with other parameters than rank 0"),
        ("one is missing", Reason.VERIFICATION, "rank 2 left no end"),
    ],
)
def test_a_job_that_does_not_recover_is_a_failed_run_with_its_reason(
    tmp_path: Path, script: str, reason: Reason, said: str
) -> None:
    def runs(job: Job) -> Ended:
        is_killed(job)
        match script:
            case "another dies":
                survives(job, 0)
                Rank(job, 2).upto("middle")
                return Ended("exited", 1, 3.0, "", KILLED + KILLED.replace("1 exit", "2 exit"))
            case "hangs":
                Rank(job, 0).upto("last step")
                Rank(job, 2).upto("last step")
                return Ended("deadline", None, 99.0, "", KILLED)
            case "raises":
                Rank(job, 0).upto("last step").fails("ValueError: no way on")
                Rank(job, 2).upto("last step").fails("Connection closed by peer", consequence=True)
                return Ended("exited", 1, 3.0, "", KILLED)
            case "nobody notices":
                survives(job, 0, recovers=False)
                survives(job, 2, recovers=False)
            case "they differ":
                survives(job, 0)
                survives(job, 2, digest="other")
            case "one is missing":
                survives(job, 0)
        return Ended("exited", 0, 3.0, "", KILLED)

    _, record = ran(tmp_path, "kill:rank=1,step=2", runs)
    assert isinstance(record.outcome, Failed)
    assert (record.outcome.reason, said in record.outcome.message) == (reason, True), record.outcome.message


@pytest.mark.parametrize(
    ("fault", "before", "after"),
    [
        ("leave:rank=0,step=1", (2, 3, 4), (2, 4)),  # whichever host its rank 0 has said to be on
        ("join:step=1", (2, 3, 4), (2, 3, 4, 5)),
        ("kill:rank=0,step=1", (2, 3, 4), (2, 3, 4)),  # horovodrun finds that out by itself
    ],
)
def test_hosts_come_and_go_once_the_fault_is_due(
    tmp_path: Path, fault: str, before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    staged = Staged.of(specification(workers=3, faults=fault), tmp_path)
    assert staged is not None
    looks: list[float] = []
    look = staged.watching(lambda progress, seconds: looks.append(seconds))

    def listed() -> str:
        return (tmp_path / "hosts").read_text()

    look(Progress({}, 0, 0), 0.5)
    assert listed() == "".join(f"{host(number)}:1\n" for number in before)
    look(Progress({}, 0, 0, fault=host(3)), 1.0)
    look(Progress({}, 0, 0, fault=host(3)), 1.5)
    assert listed() == "".join(f"{host(number)}:1\n" for number in after)
    assert looks == [0.5, 1.0, 1.5]
