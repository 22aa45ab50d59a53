"""Virtual networks in experiment files: what they resolve to, and what is refused with its line."""

from pathlib import Path

import pytest

from suite.experiment.file import ExperimentError, parse
from suite.experiment.plan import expand

FILE = """question = "Does it run in virtual time?"
[run]
data = "digits"
batch_size = 8
[axes]
framework = ["torch"]
model = [{{ name = "tiny-cnn", image = 8 }}]
algorithm = ["synchronous", "admm"]
workers = [64]
network = [{network}]
"""


def plan(network: str, **changed: str):
    text = FILE.format(network=network)
    for old, new in changed.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    return expand(parse(text, Path("virtual.toml")))


@pytest.mark.parametrize(
    ("network", "rate", "label"),
    [
        ('{ virtual = "10GbE", compute = 0.2 }', 10_000, "virtual 10GbE"),
        ("{ virtual = 400, compute = 0.2 }", 400, "virtual 400 Mbit/s"),
        ('{ virtual = "instant", compute = 0.2 }', None, "virtual instant"),
        ('{ virtual = "1GbE", delay_ms = 0.5, compute = 0.2 }', 1000, "virtual 1GbE, 0.5 ms"),
    ],
)
def test_what_is_written_is_what_is_simulated(network: str, rate: float | None, label: str) -> None:
    runs = plan(network).runs
    assert {run.specification.algorithm.name for run in runs} == {"synchronous", "admm"}
    for run in runs:
        assert run.specification.kind == "simulated"
        assert run.specification.network.rate_mbit == rate
        assert run.specification.network.compute_seconds == 0.2
        assert run.labels.network == label


def test_a_step_takes_what_its_net_has_to_compute_where_nothing_is_said() -> None:
    (run, *_) = plan('{ virtual = "10GbE" }').runs
    assert run.specification.network.compute_seconds == pytest.approx(3.883e-5, rel=0.01)


@pytest.mark.parametrize(
    ("network", "changed", "message"),
    [
        ('{ virtual = "10GBE" }', {}, "virtual.toml:10: .*'10GBE' is unknown; did you mean '10GbE'"),
        ('{ virtual = "10GbE", hosts = 2 }', {}, "virtual.toml:10: .*hosts has no virtual form"),
        ('{ virtual = "10GbE", loss = 0.1 }', {}, "virtual.toml:10: .*loss has no virtual form"),
        ("{ rate_mbit = 400, compute = 1 }", {}, "virtual.toml:10: .*compute is for a network of kind 'virtual'"),
        ('{ virtual = "10GbE" }', {"torch": "tensorflow"}, "framework 'tensorflow' has no virtual form"),
        ('"local"', {}, "virtual.toml:8: .*'admm' runs in the virtual cluster only"),
    ],
)
def test_what_does_not_go_together_is_refused(network: str, changed: dict[str, str], message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        plan(network, **changed)
