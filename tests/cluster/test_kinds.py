"""A kind of cluster is a file and a name: one that nobody has heard of is written, checked and run like the others."""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from rich.console import Console

from suite.cluster import kinds
from suite.cluster.contract import Cluster
from suite.cluster.network import Network
from suite.experiment.file import ExperimentError, parse
from suite.experiment.plan import Plan, expand
from suite.harness.launch import Launcher
from suite.harness.outline import Options
from suite.harness.sweep import Sweeper
from suite.record.part import Kind, Positive
from suite.record.specification import Specification
from suite.record.store import Store
from tests.harness.scripted import FakeCluster, Scripted


class Moon(Network):
    """`{ craters = 3 }`: a host in every crater, and two ranks fit into one."""

    evidence: ClassVar[Kind] = "simulated"
    sign: ClassVar[str | None] = "craters"

    kind: Literal["moon"] = "moon"
    craters: Positive

    def check_room(self, workers: int) -> None:
        if workers > 2 * self.craters:
            raise ValueError(f"workers = {workers}: must be at most {2 * self.craters}, two for every crater")

    def describe(self, workers: int) -> str:
        return f"{self.craters} craters"

    def open(self, workers: int) -> Cluster:
        cluster = FakeCluster()
        cluster.name = self.describe(workers)
        return cluster


@pytest.fixture(autouse=True)
def moon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.KINDS, "moon", Moon)


def planned(*networks: str, workers: int = 2) -> Plan:
    text = f"""\
question = "What does it cost to be far away?"
[run]
evaluate_every = 64
[axes]
framework = ["torch"]
model = ["lenet"]
algorithm = ["synchronous"]
workers = [{workers}]
network = [
{"".join(f"  {one}," + chr(10) for one in networks)}]
"""
    return expand(parse(text, Path("far.toml")))


def test_it_is_written_and_labelled_like_any_other() -> None:
    plan = planned('"local"', "{ craters = 3 }", '{ name = "moon", craters = 4, label = "far" }')
    assert plan.values("network") and set(plan.values("network")) == {"local", "3 craters", "far"}
    (run,) = plan.only(["network=far"]).runs
    assert run.specification.network == Moon(craters=4)
    assert run.specification.kind == "simulated"


def test_its_mistakes_are_told_like_any_other_s() -> None:
    with pytest.raises(ExperimentError) as found:
        planned(
            "{ craters = 0 }",
            '{ name = "mon", craters = 3 }',
            '{ name = "moon", cratres = 3 }',
            "{ craters = 3, preset = '1GbE' }",
            '{ name = "local", craters = 3 }',
            "{ craters = 2 }",
            workers=5,
        )
    assert [str(one.message).partition("; known")[0] for one in found.value.problems] == [
        "axes.network.0.craters = 0: input should be greater than or equal to 1",
        "unknown kind of network 'mon' (did you mean 'moon'?)",
        "unknown key 'cratres' (did you mean 'craters'?)",
        "preset shapes an emulated network, not one of kind 'moon'",
        "craters is for a network of kind 'moon', not one of kind 'local'",
        "workers = 5: must be at most 4, two for every crater",
    ]
    assert [one.line for one in found.value.problems] == [10, 11, 12, 13, 14, 15]


def test_it_is_opened_run_and_recorded_like_any_other(tmp_path: Path) -> None:
    sweeper = Sweeper(
        Store(tmp_path), Console(file=io.StringIO()), Launcher(work=tmp_path / ".work", executor=Scripted())
    )
    (made,) = sweeper.run(planned("{ craters = 3 }"), Options()).records
    (record,) = Store(tmp_path).read("far").latest()
    assert (record.labels.network, record.kind, record.cluster.name) == ("3 craters", "simulated", "3 craters")
    assert record.specification == made.specification
    assert record.specification.network == Moon(craters=3)


def test_of_other_kinds_nothing_changes() -> None:
    """The identity of runs that were recorded before there were kinds."""
    asked = {"framework": "torch", "model": {"name": "lenet"}, "algorithm": {"name": "synchronous"}, "workers": 2}
    old = '"network":{"delay_ms":0.0,"hosts":2,"kind":"emulated","loss":0.0,"rate_mbit":400.0}'
    empty = dict.fromkeys(("preset", "scale", "file", "interfaces", "ssh_port", "ssh_identity_file", "compute_seconds"))
    network = {"kind": "emulated", "hosts": 2, "rate_mbit": 400.0, "delay_ms": 0.0, "loss": 0.0} | empty
    assert old in Specification.model_validate(asked | {"network": network}).canonical()
    assert '"network":{"delay_ms":0.0,"kind":"local","loss":0.0}' in Specification.model_validate(asked).canonical()
