"""One worker: what was committed comes back, whatever the algorithm; and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import horovod.torch as hvd
import pytest
import torch
from horovod.common.exceptions import HorovodInternalError
from torch import nn

import algorithms
from algorithms.contract import Algorithm
from algorithms.torch import DistributedOptimizer, ElasticState, RankStopped
from tests.elastic.torch_problem import batch, net

OTHERS = {
    algorithms.BackupWorkers: algorithms.BackupWorkers(spares=0),  # there is one worker
    algorithms.SoftSync: algorithms.SoftSync(gradients=1),
    algorithms.Asynchronous: algorithms.Asynchronous(ahead=False),  # ahead of a round it would lose what is in it
}
TRIED = [
    *(kind() for kind in algorithms.CATALOGUE.values() if not kind.virtual_only and kind not in OTHERS),
    *OTHERS.values(),
    algorithms.Delayed(steps=2),
    algorithms.LayerWise(order="forward"),
    algorithms.LocalSGD(period=3),
    algorithms.ElasticAveraging(period=2),
    algorithms.SlowMo(period=2),
]


@pytest.fixture(autouse=True)
def horovod(gloo_alone: None) -> Iterator[None]:
    hvd.init()
    yield
    hvd.shutdown()


def state_of(algorithm: Algorithm) -> ElasticState:
    model = net()
    plain = torch.optim.Adam(model.parameters(), lr=0.01)
    return ElasticState(model, lambda: DistributedOptimizer(plain, model, algorithm), step=0)


def train(state: ElasticState, until: int) -> None:
    while state.step < until:
        state.count(8)
        inputs, targets = batch(0, state.step)
        state.optimizer.zero_grad()
        torch.nn.functional.mse_loss(state.model(inputs), targets).backward()
        state.optimizer.step()
        state.step += 1


def values(model: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


@pytest.mark.parametrize("algorithm", TRIED, ids=repr)
def test_a_loss_costs_what_was_not_committed_and_nothing_else(algorithm: Algorithm) -> None:
    straight = state_of(algorithm)
    straight.sync()
    train(straight, 4)
    straight.commit()
    train(straight, 8)
    straight.optimizer.finish()
    straight.optimizer.detach()

    losses = iter([HorovodInternalError("a worker is gone"), None])
    began = []

    @hvd.elastic.run
    def training(state: ElasticState) -> None:
        began.append(state.step)
        loss = next(losses)
        if loss is not None:
            train(state, 4)
            state.commit()
            train(state, 6)
            raise loss
        train(state, 8)
        state.optimizer.finish()

    state = state_of(algorithm)
    training(state)
    assert began == [0, 4]
    for mine, wanted in zip(values(state.model), values(straight.model), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=0, atol=0)
    (recovery,) = state.recoveries
    assert (recovery.lost, recovery.before, recovery.workers, recovery.newcomers) == (True, 1, 1, 0)
    assert (state.samples, state.samples_lost, recovery.samples_lost) == (32, 16, 16)
    state.optimizer.detach()


def test_what_stops_our_ranks_is_what_the_elastic_loop_waits_for() -> None:
    assert issubclass(RankStopped, HorovodInternalError)


def test_a_job_without_discovery_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOROVOD_SIZE", "2")
    with pytest.raises(ValueError, match=r"no discovery of hosts: start it with `horovodrun .*--host-discovery-script"):
        state_of(algorithms.Synchronous())


def test_wrong_arguments_are_refused() -> None:
    model = net()
    plain = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=r"wrap=DistributedOptimizer: must make the optimizer"):
        ElasticState(model, DistributedOptimizer(plain, model, algorithms.Synchronous()))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"samples=3: this name is the state's own"):
        ElasticState(model, lambda: pytest.fail("not made"), samples=3)


def test_hooks_of_stock_horovod_do_nothing_once_it_is_detached(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph of a step that failed holds autograd's nodes, and with them hooks that cannot be taken away."""
    monkeypatch.setenv("HOROVOD_ELASTIC", "1")  # one worker alone would have no hooks
    model = net()
    plain = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs, targets = batch(0, 0)
    first = DistributedOptimizer(plain, model, algorithms.StockHorovod())
    failed = torch.nn.functional.mse_loss(model(inputs), targets)
    first.detach(at_once=True)
    again = DistributedOptimizer(plain, model, algorithms.StockHorovod())
    losses = []
    for _ in range(3):
        again.zero_grad()
        loss = torch.nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        again.step()
        losses.append(loss.item())
    assert losses[0] == failed.item() and losses == sorted(losses, reverse=True)
