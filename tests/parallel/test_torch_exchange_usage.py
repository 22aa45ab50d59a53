"""Everything that a torch user may do with an optimizer and a model, on two ranks, against one device."""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Callable

import horovod.torch as hvd
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import algorithms
from algorithms.contract import Algorithm
from algorithms.torch import DistributedOptimizer
from tests.parallel import torch_nets

pytestmark = pytest.mark.ranks(2, environment={"HOROVOD_FUSION_THRESHOLD": "0"})

FORWARD = algorithms.LayerWise(order="forward")
EXACT = [
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    algorithms.LayerWise(order="backward"),
    algorithms.LayerWise(order="completion"),
    FORWARD,
]
each_exact = pytest.mark.parametrize("algorithm", EXACT, ids=repr)


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


class Plain(nn.Module):
    """No batch norm: one device can repeat on the whole batch what the ranks do on parts of it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.second = nn.Linear(8, 8)
        self.sometimes = nn.Linear(8, 8)
        self.last = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor, sometimes: bool = False) -> torch.Tensor:
        x = torch.tanh(self.second(torch.tanh(self.first(x))))
        if sometimes:
            x = x + self.sometimes(x)
        y: torch.Tensor = self.last(x)
        return y


def plain(dtype: torch.dtype = torch.float64) -> Plain:
    torch.manual_seed(3)
    return Plain().to(dtype)


def samples(step: int, number: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(step)
    x = torch.randn(number, 6, generator=draw, dtype=torch.float64).to(dtype)
    return x, torch.randint(0, 3, (number,), generator=draw)


def momentum(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)


def mean_loss(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(net(x), y)


def one_device(steps: int, number: int, make: Callable[[nn.Module], torch.optim.Optimizer] = momentum) -> Plain:
    net = plain()
    opt = make(net)
    for step in range(steps):
        opt.zero_grad()
        mean_loss(net, *samples(step, number)).backward()
        opt.step()
    return net


def close(net: nn.Module, expected: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(torch_nets.vector(net), expected, rtol=0, atol=1e-12)


@each_exact
def test_uneven_and_empty_batches_count_by_their_samples(algorithm: Algorithm, rank: int) -> None:
    expected = torch_nets.vector(one_device(8, 8))
    net = plain()
    with DistributedOptimizer(momentum(net), net, algorithm, weighted=True) as opt:
        for step in range(8):
            share = (slice(0, 0), slice(0, 8)) if step % 4 == 3 else (slice(0, 5), slice(5, 8))
            x, y = (part[share[rank]] for part in samples(step, 8))
            opt.zero_grad()
            opt.weigh(len(x))
            if len(x) or step == 7:  # the mean over no sample is NaN, and must do no harm
                mean_loss(net, x, y).backward()
            opt.step()
    close(net, expected)


@each_exact
def test_gradients_accumulate_over_passes(algorithm: Algorithm, rank: int) -> None:
    expected = torch_nets.vector(one_device(6, 8))
    net = plain()
    with DistributedOptimizer(momentum(net), net, algorithm, passes=2) as opt:
        for step in range(6):
            opt.zero_grad()
            x, y = samples(step, 8)
            for part in (0, 1):
                chosen = slice(4 * rank + 2 * part, 4 * rank + 2 * part + 2)
                (mean_loss(net, x[chosen], y[chosen]) / 2).backward()
            opt.step()
    close(net, expected)


@pytest.mark.parametrize("algorithm", [*EXACT, algorithms.Delayed(steps=1), algorithms.StockHorovod()], ids=repr)
def test_fewer_passes_than_usual_are_averaged_where_one_asks(algorithm: Algorithm, rank: int) -> None:
    """As at the end of an epoch: nobody can know that no pass follows."""
    net = plain()
    with DistributedOptimizer(momentum(net), net, algorithm, passes=3) as opt:
        for step in range(4):
            opt.zero_grad()
            for part in range(2 if step == 2 else 3):
                mean_loss(net, *samples(100 * step + 10 * part + rank, 4)).backward()
            opt.synchronize()
            norm = nn.utils.clip_grad_norm_(net.parameters(), 0.05)
            assert hvd.allgather(norm.reshape(1), name=f"passes.{algorithm!r}").unique().numel() == 1
            opt.step()
        opt.check_agreement()


@pytest.mark.parametrize("algorithm", [*EXACT, algorithms.Delayed(steps=0), algorithms.StockHorovod()], ids=repr)
def test_the_average_is_clipped(algorithm: Algorithm, rank: int) -> None:
    reference = plain()
    inner = momentum(reference)
    for step in range(5):
        inner.zero_grad()
        mean_loss(reference, *samples(step, 8)).backward()
        for p in reference.sometimes.parameters():
            p.grad = torch.zeros_like(p) if algorithm == algorithms.StockHorovod() else None  # stock invents them
        nn.utils.clip_grad_norm_(reference.parameters(), 0.05)
        inner.step()
    net = plain()
    with DistributedOptimizer(momentum(net), net, algorithm, clip_norm=0.05) as opt:
        for step in range(5):
            opt.zero_grad()
            x, y = samples(step, 8)
            mean_loss(net, x[4 * rank : 4 * rank + 4], y[4 * rank : 4 * rank + 4]).backward()
            opt.step()
    close(net, torch_nets.vector(reference))


def train(
    algorithm: Algorithm,
    rank: int,
    *,
    net: nn.Module | None = None,
    make: Callable[[nn.Module], torch.optim.Optimizer] = momentum,
    after: Callable[[DistributedOptimizer, int], None] = lambda opt, step: None,
    set_to_none: bool = True,
    dtype: torch.dtype = torch.float64,
    steps: int = 8,
) -> NDArray[np.float64]:
    net = plain(dtype) if net is None else net
    with DistributedOptimizer(make(net), net, algorithm) as opt:
        for step in range(steps):
            opt.zero_grad(set_to_none=set_to_none)
            x, y = samples(step, 8, dtype)
            mean_loss(net, x[4 * rank : 4 * rank + 4], y[4 * rank : 4 * rank + 4]).backward()
            opt.step()
            after(opt, step)
    return torch_nets.vector(net)


@each_exact
def test_schedulers_change_the_rate_of_the_next_step_alone(algorithm: Algorithm, rank: int) -> None:
    reference = plain()
    inner = momentum(reference)
    schedule = torch.optim.lr_scheduler.StepLR(inner, 1, 0.5)
    for step in range(8):
        inner.zero_grad()
        mean_loss(reference, *samples(step, 8)).backward()
        inner.step()
        schedule.step()
    net = plain()
    with DistributedOptimizer(momentum(net), net, algorithm) as opt:
        schedule = torch.optim.lr_scheduler.StepLR(opt, 1, 0.5)
        for step in range(8):
            opt.zero_grad()
            x, y = samples(step, 8)
            mean_loss(net, x[4 * rank : 4 * rank + 4], y[4 * rank : 4 * rank + 4]).backward()
            opt.step()
            schedule.step()
        assert opt.param_groups[0]["lr"] == 0.1 * 0.5**8
    close(net, torch_nets.vector(reference))


OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "adam": lambda net: torch.optim.Adam(net.parameters(), lr=0.01, amsgrad=True),
    "adamw": lambda net: torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.1, foreach=False),
    "rmsprop": lambda net: torch.optim.RMSprop(net.parameters(), lr=0.001, momentum=0.5, centered=True),
    "nesterov": lambda net: torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True),
    "nadam": lambda net: torch.optim.NAdam(net.parameters(), lr=0.01),
    "adafactor": lambda net: torch.optim.Adafactor(net.parameters(), lr=0.01),
    "groups": lambda net: torch.optim.SGD(
        [
            {"params": [p for name, p in net.named_parameters() if name.endswith("bias")], "lr": 0.3},
            {"params": [p for name, p in net.named_parameters() if name.endswith("weight")], "weight_decay": 0.1},
        ],
        lr=0.05,
        momentum=0.5,
    ),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("algorithm", [algorithms.Synchronous(overlap=True), *EXACT[2:]], ids=repr)
def test_any_optimizer_and_several_groups(algorithm: Algorithm, optimizer: str, rank: int) -> None:
    close_to = torch_nets.vector(one_device(8, 8, OPTIMIZERS[optimizer]))
    trained = train(algorithm, rank, make=OPTIMIZERS[optimizer])
    np.testing.assert_allclose(trained, close_to, rtol=0, atol=1e-9)


@pytest.mark.parametrize("algorithm", [*EXACT, algorithms.Delayed(steps=2), algorithms.StockHorovod()], ids=repr)
def test_gradients_may_be_zeroed_in_place(algorithm: Algorithm, rank: int) -> None:
    assert np.array_equal(train(algorithm, rank, set_to_none=False), train(algorithm, rank))


@pytest.mark.parametrize("algorithm", [*EXACT, algorithms.Delayed(steps=1), algorithms.StockHorovod()], ids=repr)
def test_closures_are_called_once(algorithm: Algorithm, rank: int) -> None:
    net = plain()
    calls = []
    with DistributedOptimizer(momentum(net), net, algorithm) as opt:
        for step in range(8):
            x, y = samples(step, 8)

            def closure(x: torch.Tensor = x, y: torch.Tensor = y) -> torch.Tensor:
                opt.zero_grad()
                loss = mean_loss(net, x[4 * rank : 4 * rank + 4], y[4 * rank : 4 * rank + 4])
                loss.backward()
                calls.append(loss.item())
                return loss

            with torch.no_grad():
                assert opt.step(closure).item() == calls[-1]
    assert len(calls) == 8
    assert np.array_equal(torch_nets.vector(net), train(algorithm, rank))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("algorithm", [*EXACT, algorithms.Delayed(steps=2)], ids=repr)
def test_half_precision_travels(algorithm: Algorithm, dtype: torch.dtype, rank: int) -> None:
    expected = train(algorithm, rank, dtype=torch.float64)
    trained = train(algorithm, rank, dtype=dtype)
    precision = {torch.float16: 2e-2, torch.bfloat16: 1e-1, torch.float32: 1e-5}[dtype]
    np.testing.assert_allclose(trained, expected, rtol=0, atol=precision)
    assert not np.array_equal(trained, torch_nets.vector(plain(dtype)))


class Multiplies(torch.optim.Optimizer):
    """As Muon and Adafactor do: autocast would have it done in half precision."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__(net.parameters(), {})

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        for p in self.param_groups[0]["params"]:
            if p.grad is not None:
                gradient = p.grad.reshape(len(p), -1)
                p.sub_(((gradient @ gradient.T) @ gradient + gradient).reshape(p.shape), alpha=0.1)


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_autocast_is_for_the_forward_and_not_for_the_optimizer(clip_norm: float | None, rank: int) -> None:
    def trained(algorithm: Algorithm) -> NDArray[np.float64]:
        net = plain(torch.float32)
        with DistributedOptimizer(Multiplies(net), net, algorithm, clip_norm=clip_norm) as opt:
            for step in range(8):
                x, y = samples(step, 8, torch.float32)
                opt.zero_grad()
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    loss = mean_loss(net, x[4 * rank : 4 * rank + 4], y[4 * rank : 4 * rank + 4])
                loss.backward()
                opt.step()
        return torch_nets.vector(net)

    assert np.array_equal(trained(FORWARD), trained(algorithms.Synchronous()))


@pytest.mark.parametrize("algorithm", [EXACT[1], FORWARD, algorithms.Delayed(steps=1)], ids=repr)
def test_bfloat16_may_land_before_backward_has_ended(algorithm: Algorithm, rank: int) -> None:
    expected = train(algorithm, rank, dtype=torch.bfloat16, steps=2)
    net = plain(torch.bfloat16)
    net.first.weight.register_hook(lambda gradient: time.sleep(0.2))
    assert np.array_equal(train(algorithm, rank, net=net, dtype=torch.bfloat16, steps=2), expected)


@each_exact
def test_channels_last_and_complex_parameters(algorithm: Algorithm, rank: int) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(2, 3, 3, padding=1)
            self.turn = nn.Parameter(torch.ones(3, dtype=torch.complex64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.convolution(x).mean((2, 3)) * self.turn
            return (y.abs() ** 2).sum(1).mean()

    def make() -> Odd:
        torch.manual_seed(1)
        return Odd().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    x = torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(2)).to(memory_format=torch.channels_last)
    reference, net = make(), make()
    inner = torch.optim.SGD(reference.parameters(), lr=0.1)
    with DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.1), net, algorithm) as opt:
        for _ in range(5):
            inner.zero_grad()
            reference(x).backward()
            inner.step()
            opt.zero_grad()
            net(x[2 * rank : 2 * rank + 2]).backward()
            opt.step()
    assert net.convolution.weight.stride() == reference.convolution.weight.stride() != (18, 9, 3, 1)
    torch.testing.assert_close(list(net.parameters()), list(reference.parameters()))


@each_exact
def test_what_no_rank_used_is_left_alone_and_what_one_rank_used_moves_everywhere(
    algorithm: Algorithm, rank: int
) -> None:
    reference, net = plain(), plain()
    inner = torch.optim.AdamW(reference.parameters(), lr=0.01, weight_decay=0.5)
    with DistributedOptimizer(torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.5), net, algorithm) as opt:
        for step in range(9):
            x, y = samples(step, 8)
            used = step in (3, 4, 7)
            inner.zero_grad()
            halves = [nn.functional.cross_entropy(reference(x[:4], used), y[:4]), mean_loss(reference, x[4:], y[4:])]
            (sum(halves) / 2).backward()
            inner.step()
            opt.zero_grad()
            mine = slice(4 * rank, 4 * rank + 4)
            nn.functional.cross_entropy(net(x[mine], used and rank == 0), y[mine]).backward()
            opt.step()
    close(net, torch_nets.vector(reference))


def test_reading_parameters_between_steps_gives_their_updated_values(rank: int) -> None:
    """However they are read, while their update is still travelling."""
    readers: list[Callable[[Plain], torch.Tensor]] = [
        lambda net: net.first.weight.sum(),
        lambda net: net.state_dict()["first.weight"].sum(),
        lambda net: copy.deepcopy(net).first.weight.sum(),
        lambda net: nn.functional.linear(torch.ones(1, 6, dtype=torch.float64), net.first.weight).sum(),
        lambda net: net.first.weight.data.sum(),
        lambda net: torch.cat([p.flatten() for p in net.parameters()]).sum(),
        lambda net: torch.tensor(net.first.weight.tolist(), dtype=torch.float64).sum(),
        lambda net: torch.from_numpy(net.first.weight.detach().numpy()).sum(),
        lambda net: nn.utils.parameters_to_vector(net.parameters()).sum(),
        lambda net: torch.stack(torch._foreach_norm(list(net.parameters()))).sum(),
    ]
    found = []
    for algorithm in (algorithms.Synchronous(), FORWARD):
        net, values = plain(), []
        with DistributedOptimizer(momentum(net), net, algorithm) as opt:
            for step, reader in enumerate(readers):
                opt.zero_grad()
                x, y = samples(step, 8)
                mean_loss(net, x[4 * rank : 4 * rank + 4], y[4 * rank : 4 * rank + 4]).backward()
                opt.step()
                if algorithm == FORWARD and step != 3:  # when the ranks stop to agree upon a route
                    assert type(net.first.weight) is not nn.Parameter, "nothing was pending, so nothing was tested"
                values.append(reader(net).item())
                net.zero_grad()  # asks for `grad` alone, and must not wait
        found.append(values)
        assert type(net.first.weight) is nn.Parameter
    assert found[0] == found[1]


def test_what_the_wrapper_tells_of_itself_waits_for_nothing(rank: int) -> None:
    model = plain()
    optimizer = DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=0.1), model, FORWARD)
    model(torch.ones(2, 6, dtype=torch.float64)).sum().backward()
    optimizer.step()
    held = [type(parameter) for parameter in model.parameters()]
    assert nn.Parameter not in held
    assert optimizer.telemetry().steps == 1
    assert [type(parameter) for parameter in model.parameters()] == held
    optimizer.finish()


def test_inference_between_steps_sees_updated_parameters(rank: int) -> None:
    outputs = []
    x = torch.ones(1, 6, dtype=torch.float64)
    for algorithm in (algorithms.Synchronous(), FORWARD):
        net, seen = plain(), []

        def look(opt: DistributedOptimizer, step: int, net: Plain = net, seen: list[float] = seen) -> None:
            with torch.inference_mode() if step % 2 else opt.evaluation():
                seen.append(net(x).sum().item())

        train(algorithm, rank, net=net, after=look)
        outputs.append(seen)
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    "algorithm",
    [
        *EXACT,
        algorithms.Delayed(steps=1),
        algorithms.StockHorovod(),
        algorithms.ElasticAveraging(period=2),
        algorithms.BackupWorkers(spares=1, give_up=True),
    ],
    ids=repr,
)
def test_models_are_copied_and_saved_without_what_the_wrapper_does(algorithm: Algorithm, rank: int) -> None:
    """As an average of weights, a teacher or a checkpoint is made."""
    net, x = plain(), torch.ones(2, 6, dtype=torch.float64)
    with DistributedOptimizer(momentum(net), net, algorithm) as opt:
        for _ in range(2):
            with opt.attempt():
                opt.zero_grad()
                net(x).sum().backward()
            file = io.BytesIO()
            twins = [copy.deepcopy(net), copy.copy(net)]
            torch.save(net, file)
            file.seek(0)
            twins.append(torch.load(file, weights_only=False))
            opt.step()
            if algorithm == FORWARD:
                kinds = [type(parameter) for parameter in net.parameters()]
                for twin in twins[::2]:
                    twin(x).sum().backward()
                assert [type(parameter) for parameter in net.parameters()] == kinds, "a copy made the original wait"
                assert nn.Parameter not in kinds
            twins += [copy.deepcopy(net)]
            assert all(twin(x).shape == (2, 3) for twin in twins)
            assert all(type(p) is nn.Parameter for twin in twins[::2] for p in twin.parameters())


def test_a_weight_used_by_another_module_is_up_to_date(rank: int) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(6, 8, bias=False)
            self.middle = nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.tanh(x @ self.embed.weight.t())  # before, and never through, its own module
            return torch.tanh(self.middle(y)) @ self.embed.weight[:, :3]

    def trained(algorithm: Algorithm) -> NDArray[np.float64]:
        torch.manual_seed(4)
        return train(algorithm, rank, net=Tied().double())

    assert np.array_equal(trained(FORWARD), trained(algorithms.Synchronous()))


@pytest.mark.parametrize("algorithm", [*EXACT[1:], algorithms.Delayed(steps=1)], ids=repr)
def test_compiled_models(algorithm: Algorithm, rank: int) -> None:
    def compiled() -> nn.Module:
        net: nn.Module = torch.compile(plain(), backend="aot_eager")  # type: ignore[assignment]
        return net

    assert np.allclose(train(algorithm, rank, net=compiled()), train(algorithm, rank), rtol=0, atol=1e-12)


def test_models_compiled_in_place_cannot_wait_inside() -> None:
    net = plain()
    net.compile(backend="aot_eager")
    with pytest.raises(ValueError, match="compiled in place"):
        DistributedOptimizer(momentum(net), net, FORWARD)


def test_a_trained_optimizer_goes_on_from_rank_0s_state(rank: int) -> None:
    net = plain()
    inner = momentum(net)
    for step in range(3 + 2 * rank):
        inner.zero_grad()
        mean_loss(net, *samples(step, 8)).backward()
        inner.step()
    with DistributedOptimizer(inner, net, FORWARD) as opt:
        for step in range(3, 6):
            opt.zero_grad()
            mean_loss(net, *samples(step, 8)).backward()
            opt.step()
    close(net, torch_nets.vector(one_device(6, 8)))
