"""Ranks of a sweep are copies of one process that has imported their framework, where that changes nothing measured."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from suite.cluster import Emulated
from suite.cluster.contract import ClusterUnavailableError
from suite.experiment.file import parse
from suite.experiment.plan import expand
from suite.harness import shares
from suite.harness.launch import environment
from suite.harness.outline import Options
from suite.harness.sweep import Sweeper
from suite.harness.warm import WarmRanks, copied
from suite.record.store import Store

TEXT = """
question = "What may be copied?"
[run]
batch_size = 2
warmup = 1
steps = 3
{run}
[axes]
framework = ["torch"]
model = ["tiny-cnn"]
algorithm = {algorithm}
workers = [{workers}]
{axes}
"""


def planned(run: str = "", axes: str = "", algorithm: tuple[str, ...] = ("synchronous",), workers: int = 2):
    text = TEXT.format(run=run, axes=axes, algorithm=json.dumps(algorithm), workers=workers)
    return expand(parse(text, Path("warm.toml")))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, True),
        ({"axes": "network = [{ rate_mbit = 100 }]"}, True),
        ({"run": "measure_memory = true"}, False),
        ({"workers": 3, "axes": 'faults = ["join:step=2"]'}, False),
        ({"algorithm": ("adasum",)}, False),
    ],
)
def test_a_rank_is_a_python_of_its_own_where_that_is_what_counts(asked, expected):
    (run,) = planned(**asked).runs
    assert copied(run.specification) is expected


def test_what_is_read_at_import_has_a_process_of_its_own_and_what_horovod_reads_has_not(monkeypatch):
    made = []

    class Fake:
        alive = True

        def __init__(self, modules, environment):
            made.append((modules, environment))

        def wait(self, seconds):
            made.append("waited for")
            return True

        def command(self, module, *arguments):
            return [module, *arguments]

        def close(self):
            made.append("closed")

    monkeypatch.setattr("suite.harness.warm.WarmPython", Fake)
    runs = [planned(run).runs[0] for run in ("", "horovod = { cycle_time_ms = 3.0 }", "threads = 2")]
    with WarmRanks() as warm:
        for run in runs:
            settings = environment(run.specification)
            assert warm.command(run.specification, settings, "job") == ["suite.rank.worker", "job"]
    started = [one for one in made if isinstance(one, tuple)]
    assert [environment["OMP_NUM_THREADS"] for _, environment in started] == ["1", "2"]
    assert all("suite.rank.torch_side" in modules for modules, _ in started)
    assert made.count("waited for") == 3
    assert made.count("closed") == 2


def test_an_import_without_end_is_ended_and_tried_anew(monkeypatch):
    monkeypatch.setattr("suite.harness.warm.IMPORT_SECONDS", 0.001)
    (run,) = planned().runs
    with WarmRanks() as warm:
        with pytest.raises(TimeoutError, match=r"suite\.rank\.torch_side.* were not imported within 0\.001 s"):
            warm.command(run.specification, {}, "job")
        monkeypatch.setattr("suite.harness.warm.WarmPython.wait", lambda process, seconds: True)
        assert warm.command(run.specification, {}, "job")


@pytest.mark.timeout(300)
def test_copies_run_in_the_hosts_that_they_are_meant_for_and_the_time_is_told(tmp_path):
    try:
        with Emulated(hosts=2):
            pass
    except ClusterUnavailableError as error:
        pytest.skip(f"no emulated hosts here: {error}")
    plan = planned(axes="network = [{ rate_mbit = 400 }]", algorithm=("synchronous", "delayed"))
    records = Sweeper(Store(tmp_path), Console(file=io.StringIO())).run(plan, Options()).records
    assert all(one.finished for one in records), [one.outcome for one in records]
    assert records[0].network_seconds > records[1].network_seconds  # which found it as it was
    for one in records:
        assert len({rank.host for rank in one.ranks}) == 2
        assert all(rank.interface_bytes > 0 for rank in one.ranks)
        parts = shares.shares(one)
        assert sum(parts.values()) == pytest.approx(one.wall_seconds + one.network_seconds, abs=0.01)
        assert parts["imports"] < 1.0  # of a Python of its own: seconds
    assert shares.shares(records[0].model_copy(update={"kind": "simulated"})) is None
    (line,) = shares.told(records)
    assert line.startswith("Of a torch run ")
