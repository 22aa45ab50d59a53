"""What the harness itself costs: reading records, planning and recording runs, from a command to the first step."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from algorithms.mechanisms.telemetry import Telemetry
from suite.cli.app import run
from suite.cluster import fingerprint
from suite.experiment.file import parse
from suite.experiment.plan import expand
from suite.harness.outline import Options, Outline
from suite.rank.observer import Stopwatch
from suite.record.store import Store
from tests.rank.test_observer import Session, observed, take
from tests.report import scripted

PROJECT = Path(__file__).parents[2]

PLAN = """
question = "How long does a sweep of 200 runs take to plan?"
repetitions = 2
[axes]
framework = ["torch", "tensorflow"]
model = ["alexnet", "googlenet"]
algorithm = ["synchronous", "layerwise", { name = "delayed", steps = 1 }, "elastic_averaging", "local_sgd"]
workers = [2, 4]
network = ["local", { preset = "10GbE" }]
straggler = ["none", "lognormal:sigma=1,rank=1"]
"""
ONE_RUN = """
question = "How long from the command to the first step?"
[run]
batch_size = 4
steps = 3
warmup = 1
[axes]
framework = ["torch", "tensorflow"]
model = ["lenet"]
algorithm = ["synchronous"]
workers = [2]
"""


def test_500_finished_records_load_in_2_seconds(benchmark: Any, tmp_path: Path) -> None:
    made = [*scripted.records("scaling"), *scripted.records("network"), *scripted.records("stragglers")]
    store = Store(scripted.write(tmp_path / "records", made[:500]))
    found = benchmark.pedantic(lambda: store.read().latest(), rounds=3)
    assert len(found) == 500
    assert benchmark.stats["min"] < 2


def test_a_sweep_of_200_runs_plans_in_1_second(benchmark: Any, tmp_path: Path) -> None:
    def planned() -> int:
        plan = expand(parse(PLAN, Path("plan.toml")))
        return len(Outline.of(plan, Options(), Store(tmp_path)).deadlines)

    assert benchmark.pedantic(planned, rounds=3) >= 200
    assert benchmark.stats["min"] < 1


def test_recording_costs_less_than_half_a_percent_of_a_50_ms_step(benchmark: Any, tmp_path: Path) -> None:
    """Everything the observer does, per step."""

    class Nothing(Session):
        def steps(self, batches: Any, weights: Any = None) -> list[float]:
            self.steps_taken += 1
            return [1.0]

    counted = Telemetry(staleness={0: 10})
    observer, _ = observed(
        tmp_path, time.perf_counter, Nothing(time.perf_counter), telemetry=lambda: counted, updating=Stopwatch()
    )
    take(observer, 50)
    benchmark.pedantic(take, (observer, 1000), rounds=3)
    assert benchmark.stats["min"] / 1000 < 0.005 * 0.050


def test_a_fingerprint_takes_less_than_a_quarter_of_a_second(benchmark: Any) -> None:
    benchmark.pedantic(fingerprint.take, rounds=3, warmup_rounds=1)
    assert benchmark.stats["min"] < 0.25


def test_a_second_setup_takes_less_than_a_second(benchmark: Any) -> None:
    command = [sys.executable, str(PROJECT / "suite" / "setup")]
    benchmark.pedantic(subprocess.run, (command,), {"check": True}, rounds=3)
    assert benchmark.stats["min"] < 1


def test_our_share_of_a_start_is_under_1_second(benchmark: Any, tmp_path: Path) -> None:
    """Two local ranks: everything from the command to the first step, less horovodrun, imports and Horovod itself."""
    (tmp_path / "start.toml").write_text(ONE_RUN)
    records = tmp_path / "records"
    command = ["bench", str(tmp_path / "start.toml"), "--records", str(records), "--repeat", "3"]
    assert benchmark.pedantic(run, (command,), rounds=1) == 0
    own: dict[str, float] = {}
    for path in sorted(records.glob("start/*.json")):
        record = json.loads(path.read_text())
        starts = [rank["startup"] for rank in record["ranks"]]
        slowest = {part: max(one[part] for one in starts) for part in starts[0]}
        framework = record["labels"]["framework"]
        print(framework, json.dumps({part: round(seconds, 3) for part, seconds in slowest.items()}))
        own[framework] = min(own.get(framework, math.inf), slowest["build"] + slowest["data"])
    assert all(seconds < 1 for seconds in own.values()), own
