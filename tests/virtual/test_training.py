"""Whole virtual runs: equal to serial training, the same whoever computes, told as a real run is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import algorithms
from algorithms.virtual import SGD, Cluster
from suite.rank.sources import open_source
from suite.record.specification import Model, Optimizer
from suite.training.session import CheckpointError
from suite.virtual import checkpoint_torch, code, watch_torch
from suite.virtual.batches import Batches
from suite.virtual.gradients_torch import InThisProcess
from suite.virtual.net_torch import Portion
from suite.virtual.times import StepTimes
from suite.virtual.training_torch import Progress, prepare
from tests.virtual.small import specified, trained


@pytest.mark.parametrize("algorithm", ["synchronous", "backup_workers"])
def test_synchronous_workers_are_serial_training_on_the_joined_batch(algorithm: str) -> None:
    """Over an epoch and its short last batches."""
    options = {"spares": 0} if algorithm == "backup_workers" else {}
    prepared = prepare(specified(algorithm, options, workers=8, steps=30), torch.float64)
    net, batches = prepared.net, prepared.batches
    cluster = prepared.cluster(InThisProcess(net, batches, lambda *_: None), StepTimes.of(prepared.specification))
    virtual = cluster.run(30, record=0).parameters[-1]
    x = net.initial.clone()
    for step in range(30):
        parts = [batches.batch(worker, step) for worker in range(8)]
        joined = tuple(np.concatenate([part[place] for part in parts]) for place in (0, 1))
        x = x - 0.05 * net.gradient(x, [Portion(0, step, joined)])[0]
    assert (x - net.initial).abs().max() > 0.01
    assert (virtual - x).abs().max() <= 1e-12 * x.abs().max()


def test_batches_are_those_of_the_ranks() -> None:
    specification = specified(workers=3, batch_size=50)
    held = Batches(open_source(specification, "train", 0, 3, every_rank=True))
    for rank in range(3):
        stream = open_source(specification, "train", rank, 3).stream()
        for step in range(25):  # into the third epoch
            images, labels = next(stream)
            assert np.array_equal(held.batch(rank, step)[0], images)
            assert np.array_equal(held.batch(rank, step)[1], labels)
            assert held.count(rank, step) == len(labels)


CASES = [
    ("no_communication", {}),
    ("delayed", {"steps": 2}),
    ("backup_workers", {"spares": 1}),
    ("backup_workers", {"spares": 1, "give_up": True}),
    ("asynchronous", {"clip_norm": 1.0}),
    ("softsync", {"gradients": 2}),
    ("downpour", {"period": 2}),
    ("elastic_averaging", {"period": 2, "momentum": 0.5}),
    ("local_sgd", {"period": 2}),
    ("slowmo", {"period": 2}),
    ("diloco", {"period": 2}),
    ("adasum", {}),
    ("admm", {}),
]


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_every_kind_leaves_a_whole_account(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    slow = "lognormal:sigma=1,mean=0.5x"
    specification = specified(name, options, straggler=slow, evaluate_every=160, steps=12)
    ranks = trained(specification, tmp_path)
    assert len(ranks) == 4
    for rank in ranks:
        assert rank.failure is None and rank.diverged is None and rank.end is not None
        assert rank.telemetry is not None and rank.telemetry.steps == len(rank.steps)
        began = [step.started for step in rank.steps]
        assert began == sorted(began)
        for step, following in zip(rank.steps, rank.steps[1:], strict=False):
            assert step.seconds >= 0.1 - 1e-6
            if not options.get("give_up"):
                assert following.started == pytest.approx(step.started + step.seconds, abs=1e-5)
    losses = [step.loss for rank in ranks for step in rank.steps if step.loss == step.loss]
    assert len(losses) >= 24
    assert len(ranks[0].evaluations) >= 2
    assert sum(part.counts.samples for part in (rank.evaluations[-1] for rank in ranks)) == 360
    same = [step for step in ranks[0].steps if step.number == 0]
    assert same and all(rank.steps[0].loss != ranks[0].steps[0].loss for rank in ranks[1:2] if losses)


def test_a_fast_worker_takes_more_steps_where_nobody_waits(tmp_path: Path) -> None:
    ranks = trained(specified("asynchronous", straggler="constant:factor=4,rank=0", steps=13), tmp_path)
    taken = [len(rank.steps) for rank in ranks]
    assert sum(taken) == 4 * 13
    assert taken[0] == pytest.approx(taken[1] / 4, abs=1)


@pytest.mark.parametrize(("name", "options"), [("asynchronous", {}), ("backup_workers", {"spares": 2})])
def test_processes_change_no_bit(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    specification = specified(
        name, options, workers=12, batch_size=64, straggler="pareto:alpha=2,mean=0.5x", evaluate_every=2000, steps=4
    )
    one, two = (trained(specification, tmp_path / str(count), processes=count) for count in (1, 2))
    assert [rank.steps for rank in one] == [rank.steps for rank in two]
    assert [rank.evaluations for rank in one] == [rank.evaluations for rank in two]
    assert [rank.end for rank in one] == [rank.end for rank in two]


def test_divergence_ends_the_run_and_says_where(tmp_path: Path) -> None:
    ranks = trained(specified(optimizer=Optimizer(learning_rate=1e20), steps=30), tmp_path)
    verdicts = [rank.diverged for rank in ranks if rank.diverged is not None]
    assert len(verdicts) == 1
    step, why = verdicts[0]
    assert step < 5
    assert "loss is" in why


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"framework": "tensorflow"}, "framework 'tensorflow' has no virtual form"),
        ({"workers": 1438}, "workers = 1438: more than the 1437 samples"),
        ({"steps_per_execution": 2}, "steps_per_execution = 2 has no virtual form"),
        ({"agreement_every": 5}, "agreement_every = 5 has no virtual form"),
        ({"optimizer": Optimizer(name="adam", weight_decay=0.1)}, "weight_decay with adam has no virtual form"),
        ({"optimizer": Optimizer(options={"dampening": 0.1})}, "'dampening' has no virtual form"),
    ],
)
def test_what_has_no_virtual_form_is_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        prepare(specified(**change))
    assert "\n" not in str(refusal.value)


def test_admm_holds_plain_gradient_descent() -> None:
    with pytest.raises(ValueError, match="'admm' holds plain SGD"):
        prepare(specified("admm", optimizer=Optimizer(momentum=0.5)))


def test_workers_share_what_they_have_not_changed() -> None:
    """A hundred workers that read one centre hold one vector, and each departs with one of its own."""
    prepared = prepare(specified("asynchronous", workers=100, model=Model(name="tiny-cnn", image=8), steps=1))
    seen: list[int] = []

    class Watch:
        def computed(self, worker: int, step: int, time: float) -> None: ...

        def gave_up(self, worker: int, time: float) -> None: ...

        def settled(self, run: Any, time: float) -> bool:
            seen.append(len({own.parameters.data_ptr() for own in run.own}))
            return False

    source = InThisProcess(prepared.net, prepared.batches, lambda *_: None)
    prepared.cluster(source, StepTimes.of(prepared.specification)).run(2, record=0, watch=Watch())
    assert max(seen) <= 2  # all in step: the centre before a round, and the one after


def test_schedules_count_the_steps_of_whoever_holds_the_optimizer() -> None:
    """With a rate of zero from the third step on, three gradients have been applied."""
    from suite.record.specification import Schedule

    rule = Schedule(rule="linear", options={"begin": 2, "end": 3, "final": 0.0})
    prepared = prepare(specified(optimizer=Optimizer(learning_rate=0.5, schedule=rule)), torch.float64)
    source = InThisProcess(prepared.net, prepared.batches, lambda *_: None)
    cluster = prepared.cluster(source, StepTimes.of(prepared.specification))
    moved = cluster.run(6).parameters
    plain = Cluster(
        workers=4,
        algorithm=algorithms.Synchronous(),
        optimizer=SGD(learning_rate=0.5),
        parameters=prepared.net.initial,
        gradient=source,
        samples=prepared.batches.count,
    ).run(3)
    assert torch.equal(moved[-1], plain.parameters[3])


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_an_interrupted_run_goes_on_to_the_same_end(
    name: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_torch, "CHECKPOINT_SECONDS", 0.0)
    slow = "lognormal:sigma=1,mean=0.5x"
    momentum = Optimizer(learning_rate=0.05, momentum=0.0 if name == "admm" else 0.5)
    specification = specified(name, options, straggler=slow, evaluate_every=100, steps=12, optimizer=momentum)
    whole = trained(specification, tmp_path / "whole")
    held = tmp_path / "held"

    def interrupt(progress: Progress) -> None:
        if progress.done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(specification, tmp_path / "part", shown=interrupt, checkpoint=held)
    assert held.is_file()
    again = trained(specification, tmp_path / "again", checkpoint=held)
    assert [rank.steps for rank in again] == [rank.steps for rank in whole]
    assert [rank.evaluations for rank in again] == [rank.evaluations for rank in whole]
    assert [rank.end for rank in again] == [rank.end for rank in whole]
    assert [rank.telemetry for rank in again] == [rank.telemetry for rank in whole]
    assert not held.exists()


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    held = tmp_path / "held"
    checkpoint_torch.save(held, "another", {})
    with pytest.raises(CheckpointError, match="another run"):
        trained(specified(), tmp_path / "run", checkpoint=held)
    held.write_bytes(held.read_bytes()[:50])
    with pytest.raises(CheckpointError, match="cannot be read"):
        trained(specified(), tmp_path / "run", checkpoint=held)


def test_a_checkpoint_of_other_code_is_left_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    specification, held = specified(steps=2), tmp_path / "held"
    with monkeypatch.context() as before:
        before.setattr(code, "of_this_run", lambda: "a version ago")
        checkpoint_torch.save(held, specification.identity, {"of": "no use"})
    (rank, *_) = trained(specification, tmp_path / "run", checkpoint=held)
    assert len(rank.steps) == 2
    said = capsys.readouterr().err
    assert "is of other code" in said and said.count("\n") == 1
    assert (tmp_path / "held.other-code").is_file() and not held.exists()
