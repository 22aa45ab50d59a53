"""A late worker stops computing what could only be dropped: soon, whole, and with nothing left over from it."""

from __future__ import annotations

import time
from collections.abc import Callable

import horovod.torch as hvd
import numpy as np
import pytest
import torch

import algorithms
from algorithms.contract import Algorithm
from algorithms.mechanisms.errors import TrainingError
from algorithms.torch import DistributedOptimizer
from tests.parallel import torch_nets
from tests.parallel.torch_rounds_runs import OPTIMIZERS, agree

pytestmark = pytest.mark.ranks(2, 4, environment={"HOROVOD_FUSION_THRESHOLD": "0"})

ROUNDS = 5
GIVING_UP = algorithms.BackupWorkers(spares=1, give_up=True)
Step = Callable[[DistributedOptimizer, torch.nn.Module], None]


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


class Chain(torch.nn.Module):
    """Each layer adds 1 to every gradient, so that parameters count the gradients that they were given."""

    def __init__(self, layers: int = 3, seconds: float = 0.0) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList([Link(seconds) for _ in range(layers)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x.sum()


class Link(torch.nn.Module):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.seconds:
            time.sleep(self.seconds)
        return x + self.weight


ONE = torch.zeros(1, dtype=torch.float64)


def prompt(opt: DistributedOptimizer, model: torch.nn.Module) -> None:
    with opt.attempt():
        opt.zero_grad()
        model(ONE).backward()


def wait_until_late(opt: DistributedOptimizer) -> None:
    assert opt.late is not None
    assert opt.late.wait(30), "the others' round has not made this one late"


def late_before_forward(opt: DistributedOptimizer, model: torch.nn.Module) -> None:
    with opt.attempt():
        opt.zero_grad()
        wait_until_late(opt)
        model(ONE)
        raise AssertionError("a layer ran in vain")


def late_between_the_passes(opt: DistributedOptimizer, model: torch.nn.Module) -> None:
    with opt.attempt():
        opt.zero_grad()
        model(ONE).backward()
        loss = model(ONE)
        wait_until_late(opt)
        loss.backward()
        raise AssertionError("all gradients were computed in vain")
    assert all(parameter.grad is None for parameter in model.parameters())


def late_in_one_of_two_attempts(opt: DistributedOptimizer, model: torch.nn.Module) -> None:
    prompt(opt, model)
    late_before_forward(opt, model)
    prompt(opt, model)
    assert all(parameter.grad is None for parameter in model.parameters())


def late_at_the_end(opt: DistributedOptimizer, model: torch.nn.Module) -> None:
    prompt(opt, model)
    with opt.attempt():
        wait_until_late(opt)
    assert all(parameter.grad is None for parameter in model.parameters())


def late_and_guarded(opt: DistributedOptimizer, model: torch.nn.Module) -> None:
    """What a user catches of his own lets it pass."""
    with opt.attempt():
        wait_until_late(opt)
        try:
            model(ONE)
        except Exception as error:
            raise AssertionError("taken for an error of the batch") from error


@pytest.mark.parametrize(
    "late",
    [late_before_forward, late_between_the_passes, late_in_one_of_two_attempts, late_at_the_end, late_and_guarded],
)
def test_nothing_of_what_is_given_up_counts(late: Step, rank: int, ranks: int) -> None:
    model = Chain()
    last = rank == ranks - 1
    with DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=1.0), model, GIVING_UP) as opt:
        for number in range(ROUNDS):
            (late if last else prompt)(opt, model)
            opt.step()
            assert [-float(p.detach()) for p in model.parameters()] == [number + 1] * 3, (
                "everybody is at the new centre"
            )
            hvd.allreduce(torch.zeros(1), name=f"given.{late.__name__}")  # nobody begins the next round alone
        prompt(opt, model)  # and training goes on, whoever comes last now
        opt.step()
        opt.finish()
        told = opt.telemetry()
    assert [-float(p.detach()) for p in model.parameters()] == [told.rounds] * 3
    assert told.rounds == ROUNDS + 1
    assert told.used + told.dropped + told.given_up == told.steps == ROUNDS + 1
    assert told.given_up - ROUNDS * last in (0, 1)
    assert told.used >= (0 if last else ROUNDS)


def test_a_late_step_ends_before_its_layers_have_run(rank: int, ranks: int) -> None:
    """A step of the last rank would take 20 s."""
    last = rank == ranks - 1
    model = Chain(layers=200, seconds=0.1 if last else 0.0)
    ran = []
    model.layers[-1].register_forward_hook(lambda *_: ran.append("all layers"))
    with DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=1.0), model, GIVING_UP) as opt:
        for _ in range(ROUNDS):
            prompt(opt, model)
            opt.step()
            hvd.allreduce(torch.zeros(1), name="early")
        assert not (last and ran)
        opt.finish()


def test_a_failure_elsewhere_ends_what_can_never_count(rank: int) -> None:
    model = Chain()
    opt = DistributedOptimizer(
        torch.optim.SGD(model.parameters(), lr=1.0), model, algorithms.BackupWorkers(spares=0, give_up=True)
    )
    prompt(opt, model)
    opt.step()
    if rank == 0:
        with pytest.raises(KeyError, match="picture"):
            try:
                with opt.attempt():
                    raise KeyError("no such picture")
            except KeyError:
                opt.detach()
                raise
        return
    with opt.attempt():
        wait_until_late(opt)
        model(ONE)
        raise AssertionError("a layer ran in vain")
    with pytest.raises(TrainingError, match="no such picture"):
        opt.step()
    opt.detach()


def test_a_users_exception_passes_and_training_can_go_on(rank: int, ranks: int) -> None:
    model = Chain()
    with DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=1.0), model, GIVING_UP) as opt:
        with pytest.raises(ZeroDivisionError), opt.attempt():
            model(ONE).backward()
            _ = 1 / 0
        with pytest.raises(RuntimeError, match=r"step\(\) without an attempt"):
            opt.step()
        with pytest.raises(RuntimeError, match=r"step\(\) inside attempt\(\)"), opt.attempt():
            opt.step()
        with pytest.raises(RuntimeError, match=r"attempt\(\) inside attempt\(\)"), opt.attempt(), opt.attempt():
            pass
        prompt(opt, model)
        opt.step()
        with pytest.raises(RuntimeError, match=r"step\(\) without an attempt"):
            opt.step()
        opt.finish()
        assert [-float(p.detach()) for p in model.parameters()] == [opt.telemetry().rounds] * 3 == [1] * 3


def test_a_closure_is_an_attempt_of_its_own(rank: int, ranks: int) -> None:
    model = Chain()
    with DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=1.0), model, GIVING_UP) as opt:

        def closure() -> torch.Tensor:
            opt.zero_grad()
            if rank == ranks - 1:
                wait_until_late(opt)
            loss: torch.Tensor = model(ONE)
            loss.backward()
            return loss

        loss = opt.step(closure)
        assert (loss is None) == (rank == ranks - 1)
        hvd.allreduce(torch.zeros(1), name="closure")
        opt.finish()
        assert opt.telemetry().given_up == (rank == ranks - 1)


@pytest.mark.parametrize("in_place", [False, True], ids=["compiled", "compiled in place"])
def test_what_is_compiled_is_left_at_its_ends(in_place: bool, rank: int, ranks: int) -> None:
    model = Chain()
    with DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=1.0), model, GIVING_UP) as opt:
        compiled: torch.nn.Module = model
        if in_place:
            model.compile(backend="aot_eager")
        else:
            compiled = torch.compile(model, backend="aot_eager")  # type: ignore[assignment]
        for number in range(3):
            with opt.attempt():
                opt.zero_grad()
                loss = compiled(ONE)
                if rank == ranks - 1:
                    wait_until_late(opt)
                loss.backward()
                assert rank < ranks - 1, "gradients came and it went on"
            opt.step()
            assert [-float(p.detach()) for p in model.parameters()] == [number + 1] * 3
            hvd.allreduce(torch.zeros(1), name=f"compiled.{in_place}")
        opt.finish()
        assert opt.telemetry().given_up == (3 if rank == ranks - 1 else 0)


def test_it_goes_on_after_finish_and_lets_go_when_detached(rank: int, ranks: int) -> None:
    model = Chain()
    for _ in range(2):
        with DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=1.0), model, GIVING_UP) as opt:
            for _ in range(2):
                prompt(opt, model)
                opt.step()
                opt.finish()
                assert opt.late is not None
                assert not opt.late.is_set()
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert not any(parameter._post_accumulate_grad_hooks for parameter in model.parameters())


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.NoCommunication(),
        algorithms.StockHorovod(),
        algorithms.Synchronous(),
        algorithms.LayerWise(),
        algorithms.Delayed(steps=1),
        algorithms.LocalSGD(period=2),
        algorithms.BackupWorkers(spares=0),
    ],
    ids=repr,
)
def test_an_attempt_is_nothing_to_every_other_algorithm(algorithm: Algorithm, rank: int) -> None:
    ends = []
    for attempts in (False, True):
        net = torch_nets.make()
        net.unused.requires_grad_(False)  # stock Horovod wants a gradient of everything that trains
        with DistributedOptimizer(OPTIMIZERS["momentum"][0](net), net, algorithm) as opt:
            assert opt.late is None
            for step in range(4):
                if attempts:
                    with opt.attempt():
                        opt.zero_grad()
                        torch_nets.loss(net, step, rank).backward()
                else:
                    opt.zero_grad()
                    torch_nets.loss(net, step, rank).backward()
                opt.step()
            opt.finish()
            assert opt.telemetry().given_up == 0
        ends.append(torch_nets.vector(net))
    assert np.array_equal(*ends)
    if isinstance(algorithm, algorithms.Synchronous):
        assert agree(ends[0], "nothing")
