"""Machines that are not here are planned with and predicted, never run on."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.cluster import kinds
from suite.cluster.contract import ClusterUnavailableError
from suite.experiment import choices
from suite.experiment import file as experiments
from suite.experiment.file import ExperimentError, parse
from suite.experiment.plan import Plan, expand, refuse_what_is_not_here
from suite.simulate import sealing

TEXT = """\
question = "What would it do?"
[run]
steps = 12
[axes]
framework = ["torch"]
model = [{ name = "alexnet", replay = { profile = "alexnet-torch-cpu", forward = 0.1, backward = 0.2 } }]
algorithm = ["synchronous", "layerwise"]
workers = [4, 64]
network = [{ elsewhere = "10GbE", delay_ms = 0.03, per_host = 4 }, { elsewhere = 400 }]
"""


def planned(text: str = TEXT) -> Plan:
    return expand(parse(text, Path("far.toml")))


def test_hosts_and_rates_follow_from_what_is_written() -> None:
    found = {
        (run.specification.network.hosts, run.specification.network.rate_mbit, run.specification.network.delay_ms)
        for run in planned().runs
    }
    assert found == {(1, 10_000, 0.03), (16, 10_000, 0.03), (4, 400, 0.0), (64, 400, 0.0)}
    network = kinds.asked({"elsewhere": "10GbE", "per_host": 4}).resolved(8)
    assert network.describe(8) == "10GbE, 4 workers a host"
    assert network.resolved(6).hosts == 2
    network.check(6)
    assert kinds.recorded(network.model_dump(mode="json")) == network


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("{ elsewhere = '11GbE' }", "11GbE"),
        ("{ elsewhere = -4 }", "greater than 0"),
        ("{ name = 'elsewhere', per_host = 2 }", "need the rate of their network"),
        ("{ elsewhere = '10GbE', per_host = 0 }", "greater than or equal to 1"),
        ("{ elsewhere = '10GbE', loss = 0.1 }", "loss"),
    ],
)
def test_what_cannot_be_meant_is_said(network: str, said: str) -> None:
    with pytest.raises(ExperimentError) as error:
        planned(TEXT.rpartition("network")[0] + f"network = [{network}]\n")
    assert said in str(error.value)


def test_nothing_runs_there() -> None:
    experiment = parse(TEXT, Path("far.toml"))
    with pytest.raises(ExperimentError, match="its machines are not here: `farandole predict EXPERIMENT --seal`"):
        refuse_what_is_not_here(experiment, expand(experiment))
    with pytest.raises(ClusterUnavailableError, match="not here"):
        kinds.asked({"elsewhere": "10GbE"}).resolved(2).open(2)


def test_predictions_without_anything_to_calibrate_on_have_no_interval() -> None:
    sealed = sealing.seal(planned(), (), ())
    assert sealed.calibration is None
    assert sealed.fitted == (sealing.NOTHING_FITTED,)
    assert len(sealed.expectations) == 8
    for one in sealed.expectations:
        assert one.alone == pytest.approx(0.3)
        assert one.seconds is not None
        assert one.seconds >= 0.3
        assert one.seconds == one.floor
        assert one.low is None
    assert [one.network for one in sealed.expectations] == ["400 Mbit/s"] * 4 + ["10GbE, 4 workers a host"] * 4


def test_what_can_be_run_wants_a_calibration() -> None:
    with pytest.raises(ValueError, match="--seal needs --calibration"):
        sealing.seal(planned(TEXT.replace("elsewhere = 400", "rate_mbit = 400")), (), ())


def test_the_shipped_experiment_goes_to_1024_workers_and_is_read_back(tmp_path: Path) -> None:
    plan = expand(experiments.load("scale-out"))
    assert max(run.specification.workers for run in plan.runs) == 1024
    few = plan.only(["workers=2", "straggler=none"])
    sealed = sealing.seal(few, (), ())
    sealed.save(tmp_path / "file")
    assert type(sealed).read(tmp_path / "file") == sealed


def test_gpt_2_makes_as_many_operations_a_second_as_googlenet_is_published_to_make() -> None:
    nets = {run.specification.model.name: run.specification for run in expand(experiments.load("scale-out")).runs}
    rates = {}
    for name, specification in nets.items():
        replay = specification.model.replay
        assert replay is not None
        assert replay.forward is not None
        assert replay.backward is not None
        layers = choices.net_of(specification.model).layers
        forward = specification.batch_size * sum(placed.layer.flops(placed.input) for placed in layers)
        rates[name] = 3 * forward / (replay.forward + replay.backward)
    assert rates["gpt-small"] == pytest.approx(rates["googlenet"], rel=0.01)
