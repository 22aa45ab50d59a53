"""Runs of the harness whose workers are killed, leave and join: real ranks, a small net, real records."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from suite.experiment.file import parse
from suite.experiment.plan import expand
from suite.harness.outline import Options
from suite.harness.sweep import Sweeper
from suite.record.outcome import Failed
from suite.record.recovery import recovered
from suite.record.schema import Record
from suite.record.store import Store

BATCH = 4
TEXT = """
question = "Does the job go on?"
[run]
batch_size = {batch}
warmup = 1
steps = 30
[axes]
framework = ["{framework}"]
algorithm = [{algorithm}]
workers = [3]
faults = ["{fault}"]
[[axes.model]]
name = "alexnet"
replay = {{ profile = "alexnet-{{framework}}-cpu", size = 0.0005, forward = 0.05, backward = 0.1 }}
"""


def ran(folder: Path, framework: str, algorithm: str, fault: str) -> Record:
    text = TEXT.format(batch=BATCH, framework=framework, algorithm=algorithm, fault=fault)
    plan = expand(parse(text, Path("faults.toml")))
    (record,) = Sweeper(Store(folder), Console(file=io.StringIO())).run(plan, Options()).records
    assert not isinstance(record.outcome, Failed), record.outcome
    return record


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("framework", "algorithm", "fault", "there"),
    [
        ("torch", '"stock_horovod"', "kill:rank=0,step=5", (False, True, True)),
        ("torch", '{ name = "elastic_averaging", period = 2 }', "leave:rank=2,step=5", (True, True, False)),
        ("torch", '{ name = "delayed", steps = 1 }', "join:step=5", (True, True, True, True)),
        ("tensorflow", '{ name = "local_sgd", period = 2 }', "kill:rank=1,step=5", (True, False, True)),
    ],
    ids=["stock Horovod, killed", "EASGD, one leaves", "delayed, one joins", "TensorFlow, killed"],
)
def test_a_run_goes_on_and_says_what_that_has_cost(
    tmp_path: Path, framework: str, algorithm: str, fault: str, there: tuple[bool, ...]
) -> None:
    record = ran(tmp_path, framework, algorithm, fault)
    assert tuple(rank.complete for rank in record.ranks) == there
    stayed = [rank for rank in record.ranks if rank.recoveries]
    assert len(stayed) == sum(there[:3])
    # A step that rank 0 had not committed is done once more.
    assert all(30 <= len(rank.steps.seconds) <= 31 for rank in stayed)
    last = [rank.recoveries[-1] for rank in stayed]
    assert all((one.workers, one.newcomers) == (sum(there), len(there) - 3) for one in last)
    found = recovered(record)
    assert found is not None and 0 < found.notice_seconds < found.seconds
    # At most the batch under way, on each, each time that workers changed; a killed worker loses its own.
    assert found.samples_lost <= BATCH * (len(stayed) * found.recoveries + 1)
    assert found.samples_lost >= BATCH * fault.startswith("kill")
