"""Calibration finds again what records were made with, and sealed predictions are kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import algorithms
from suite.cluster.emulated.network import EmulatedNetwork
from suite.cluster.local import LocalNetwork
from suite.experiment.choices import profile_digest
from suite.record.part import Options
from suite.record.schema import Record
from suite.record.sealed import Sealed
from suite.record.specification import Algorithm, Model, Replay, Specification
from suite.record.store import Store
from suite.report import foretold
from suite.simulate import Calibration, sealing
from suite.simulate.calibrating import Choice, calibrate, choose
from suite.simulate.calibration import VERSION, Missed
from suite.simulate.recorded import CannotTellError, kind_of, label_of, run_of

REFERENCE = Path(__file__).parents[2] / "reports" / "reference" / "records"
ONE_RATE = Choice(experiments=("network",), most_hosts=2, rates_mbit=(400.0,), frameworks=("torch",))


@pytest.fixture(scope="module")
def records() -> tuple[Record, ...]:
    return tuple(Store(REFERENCE).read("network").records)


@pytest.fixture(scope="module")
def calibration(records: tuple[Record, ...]) -> Calibration:
    return calibrate(records, ONE_RATE)[0]


def test_two_hosts_at_one_rate_tell_of_four_hosts_and_other_rates(
    records: tuple[Record, ...], calibration: Calibration
) -> None:
    fitted = {run.identity for run in calibration.runs}
    assert len(fitted) == 12
    errors = [
        abs(run.seconds(_with(run.machines, calibration)) / seconds - 1)
        for identity, (_, run, seconds) in choose(records, Choice(experiments=("network",))).runs.items()
        if identity not in fitted
    ]
    assert len(errors) == 84
    errors.sort()
    assert errors[len(errors) // 2] < 0.02
    assert errors[-1] < 0.1


def _with(machines: object, calibration: Calibration) -> object:
    return replace(machines, calibration=calibration)  # type: ignore[type-var]


def test_the_file_says_what_it_is_made_of(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "here.json"
    calibration.save(path)
    again = Calibration.read(path)
    assert again == calibration
    assert again.digest == calibration.digest
    assert any("network" in line and "400" in line for line in again.fitted())
    assert again.reach.workers == (2, 2)


def test_a_file_of_another_version_is_refused(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(calibration.model_dump_json().replace(f'"version":{VERSION}', '"version":0'))
    with pytest.raises(ValueError, match=rf"old\.json is of version 0, this is version {VERSION}"):
        Calibration.read(path)


def test_far_from_what_was_calibrated_it_warns_and_widens(
    records: tuple[Record, ...], calibration: Calibration
) -> None:
    import algorithms
    from suite.simulate import predict
    from tests.simulate.nets import ALEXNET

    _, run, _ = next(iter(choose(records, ONE_RATE).runs.values()))
    near = replace(run.machines, calibration=calibration)
    far = replace(near, workers=64, stragglers=None)
    assert calibration.spread(far) > 2 * calibration.spread(near)
    found = predict(ALEXNET, far, algorithms.Synchronous())
    assert any("64 workers are 32 times as far" in warning for warning in found.warnings)
    assert found.step_seconds.low < found.step_seconds.mean < found.step_seconds.high
    assert found.fitted


def test_too_few_runs_to_fit_say_what_was_left_out(records: tuple[Record, ...]) -> None:
    with pytest.raises(ValueError, match="0 kinds of runs to fit"):
        calibrate(records, Choice(most_workers=1))


def specification(name: str = "synchronous", options: Options | None = None) -> Specification:
    return Specification(
        framework="torch",
        model=Model(name="alexnet", replay=Replay(profile="alexnet-torch-cpu", digest="0" * 64)),
        algorithm=Algorithm(name=name, options=options or {}),
        workers=2,
        network=EmulatedNetwork(hosts=2, rate_mbit=100),
    )


def test_labels_tell_formats_and_stragglers_apart() -> None:
    plain = specification()
    slow = plain.model_copy(update={"straggler": "constant:factor=2,rank=0"})
    small = plain.model_copy(update={"wire": "fp16"})
    assert label_of(plain).endswith("n=2 on 2 hosts, 100 Mbit/s")
    assert label_of(slow).endswith("100 Mbit/s, constant:factor=2,rank=0")
    assert label_of(small).endswith("100 Mbit/s, as fp16")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"algorithm": Algorithm(name="torch_ddp")}, "torch_ddp is a control"),
        ({"model": Model(name="alexnet")}, "computing is real"),
        ({"network": LocalNetwork()}, "kind 'local'"),
        ({"network": EmulatedNetwork(hosts=2, rate_mbit=100, loss=0.01)}, "loses 1.000%"),
    ],
)
def test_what_cannot_be_told_is_said(changed: dict[str, object], why: str) -> None:
    with pytest.raises(CannotTellError, match=why):
        run_of(specification().model_copy(update=changed))


@pytest.mark.parametrize(("framework", "order"), [("torch", "forward"), ("tensorflow", "completion")])
def test_a_step_of_tensorflow_ends_when_all_has_landed(framework: str, order: str) -> None:
    profile = f"alexnet-{framework}-cpu"
    model = Model(name="alexnet", replay=Replay(profile=profile, digest=profile_digest(profile)))
    asked = specification("layerwise").model_copy(update={"framework": framework, "model": model})
    assert run_of(asked).algorithm == algorithms.LayerWise(order=order)


def test_what_horovod_negotiates_tensor_by_tensor_costs_more(
    records: tuple[Record, ...], calibration: Calibration
) -> None:
    _, run, _ = next(iter(choose(records, ONE_RATE).runs.values()))
    assert (len(run.workload.tensors), run.machines.workers, run.machines.shared_cores) == (16, 2, 2)
    for algorithm, tensors in ((algorithms.StockHorovod(), 16), (algorithms.Synchronous(), 0)):
        asked = replace(run, algorithm=algorithm)
        free, dear = (
            asked.seconds(_with(run.machines, calibration.model_copy(update={"values": values})))
            for values in (
                calibration.values.model_copy(update={"negotiation_us": 0.0}),
                calibration.values.model_copy(update={"negotiation_us": 1000.0}),
            )
        )
        assert dear - free == pytest.approx(tensors * 1e-3, abs=1e-9)


@pytest.mark.parametrize(
    ("algorithm", "cores", "dearer"),
    [
        (algorithms.Synchronous(), 2, 0.02),  # backward has ended, and nothing travels yet
        (algorithms.Synchronous(), 4, 0.0),  # nobody waits for a core
        (algorithms.Delayed(steps=1), 2, 0.0),  # behind the exchange of the step before
    ],
)
def test_agreeing_takes_time_where_workers_wait_for_cores_and_nothing_travels(
    records: tuple[Record, ...], calibration: Calibration, algorithm: algorithms.Exchange, cores: int, dearer: float
) -> None:
    _, run, _ = next(iter(choose(records, ONE_RATE).runs.values()))
    run = replace(run, algorithm=algorithm, machines=replace(run.machines, workers=4, shared_cores=cores))
    free, dear = (
        run.seconds(_with(run.machines, calibration.model_copy(update={"values": values})))
        for values in (
            calibration.values.model_copy(update={"agreement_us": 0.0}),
            calibration.values.model_copy(update={"agreement_us": 20_000.0}),
        )
    )
    # Who waits finds more to agree upon at once, and has fewer exchanges for it.
    assert max(dear - free, 0.0) == pytest.approx(dearer, abs=1e-9)


def test_a_straight_line_is_drawn_through_runs_of_one_kind_alone(calibration: Calibration) -> None:
    def run(kind: str, wire: float, observed: float) -> Missed:
        return Missed(identity="", label="", observed=observed, simulated=1.0, kind=kind, wire=wire)

    runs = (run("a", 0.0, 1.0), run("a", 0.5, 2.0), run("b", 0.5, 7.0))
    made = calibration.model_copy(update={"runs": runs})
    assert made.line("a", 1.0) == pytest.approx(3.0)
    assert made.line("b", 1.0) is None  # one place draws none
    assert made.line("c", 1.0) is None
    assert made.model_copy(update={"runs": (run("a", 0.0, 1.0), run("a", 0.5, 0.1))}).line("a", 1.0) is None


def test_runs_of_one_kind_differ_in_workers_network_seed_and_length_alone() -> None:
    one = specification()
    same = {"workers": 4, "seed": 3, "steps": 99, "network": EmulatedNetwork(hosts=4, rate_mbit=1000)}
    assert kind_of(one.model_copy(update=same)) == kind_of(one)
    for other in ({"batch_size": 99}, {"wire": "fp16"}, {"straggler": "pause:every=5,length=0.1s"}):
        assert kind_of(one.model_copy(update=other)) != kind_of(one)


def test_sealed_is_sealed(records: tuple[Record, ...], calibration: Calibration, tmp_path: Path) -> None:
    from suite.experiment import file as experiment
    from suite.experiment import plan

    planned = plan.expand(experiment.load("network")).only(["workers=4", "network=400 *", "model=GoogLeNet"])
    with pytest.raises(ValueError, match="of the 6 kinds of runs of network are recorded already"):
        sealing.seal(planned, (calibration,), records)
    sealed = sealing.seal(planned, (calibration,), ())
    path = tmp_path / "sealed.json"
    sealed.save(path)
    with pytest.raises(ValueError, match="not written over"):
        sealed.save(path)
    assert Sealed.read(path) == sealed
    early = foretold.check(sealed, records)
    assert all(one.early for one in early)
    assert foretold.verdict(early) is None
    later = [one.model_copy(update={"created": sealed.created + timedelta(hours=1)}) for one in records]
    outcomes = foretold.check(sealed, later)
    assert len(outcomes) == 6
    assert all(one.error is not None and abs(one.error) < 0.1 for one in outcomes)
    found = foretold.verdict(outcomes)
    assert found is not None
    assert found.compared == 6
    assert found.median < 0.04 < found.floor_median
    path.write_text(path.read_text().replace(sealed.expectations[0].label, "another"))
    with pytest.raises(ValueError, match="not as it was sealed"):
        Sealed.read(path)


def test_what_is_not_predicted_is_not_left_out(calibration: Calibration) -> None:
    from suite.experiment import file as experiment
    from suite.experiment import plan

    planned = plan.expand(experiment.load("floor")).only(["workers=2"])
    sealed = sealing.seal(planned, (calibration,), ())
    assert len(sealed.expectations) == len({run.identity for run in planned.runs})
    silent = [one for one in sealed.expectations if one.seconds is None]
    assert silent
    assert all(one.not_predicted for one in silent)


def test_each_framework_has_a_calibration_of_its_own(calibration: Calibration) -> None:
    from suite.experiment import file as experiment
    from suite.experiment import plan

    planned = plan.expand(experiment.load("held-out")).only(
        ["workers=4", "network=400 Mbit/s", "straggler=none", "algorithm=no_communication", "model=AlexNet"]
    )
    slower = calibration.values.model_copy(update={"overhead_ms": calibration.values.overhead_ms + 100})
    reach = calibration.reach.model_copy(update={"framework": ("tensorflow",)})
    other = calibration.model_copy(update={"values": slower, "reach": reach})
    alone, both = (sealing.seal(planned, those, ()) for those in ((calibration,), (calibration, other)))
    assert [one.not_predicted for one in alone.expectations] == ["calibrated with torch alone", None]
    assert [one.not_predicted for one in both.expectations] == [None, None]
    first, second = (one.seconds for one in both.expectations)
    assert first is not None and second is not None
    assert first > second + 0.09
    assert second == alone.expectations[1].seconds
    assert len({alone.calibration, both.calibration, other.digest}) == 3
    assert both.fitted == (*calibration.fitted(), *other.fitted())
