"""The loops that users write around a PyTorch optimizer: how each runs, what it must equal, or why it must be refused.

A loop that changes gradients between backward and `step()` changes the average where the algorithm averages gradients, as
with PyTorch's DistributedDataParallel, and the worker's own gradient everywhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import horovod.torch as hvd
import numpy as np
import torch
from torch import nn

import algorithms
from algorithms.contract import Algorithm, Exchange, Place, Rounds
from algorithms.torch import DistributedOptimizer
from algorithms.torch.header import WENT_APART
from algorithms.torch.rounds import RoundsDriver
from algorithms.virtual import Cluster
from algorithms.virtual.replay import recording
from tests.parallel import user_loops_problem as problem
from tests.parallel.torch_delays import Delays
from tests.parallel.user_loops_problem import BAD_ELEMENT, BAD_STEP, LAYERS, MOMENTUM, RATE, SHAPES, STEPS, Local, Rule

HALF = (SHAPES[0][0] // 2, SHAPES[0][1])  # of the first layer, which are two parameters here
SCALE, GROWTH = 2.0**10, 2
NORM, VALUE = 64.0, 0.25  # that gradients are clipped to

# Every algorithm of the catalogue, first as users take it.
ROWS: dict[str, tuple[Algorithm, ...]] = {
    "no_communication": (algorithms.NoCommunication(),),
    "stock_horovod": (algorithms.StockHorovod(),),
    "synchronous": (algorithms.Synchronous(), algorithms.Synchronous(overlap=True)),
    "layerwise": tuple(algorithms.LayerWise(order=order) for order in ("forward", "all", "backward", "completion")),
    "delayed": (algorithms.Delayed(steps=1), algorithms.Delayed(steps=2, compensation=0.5)),
    "backup_workers": (algorithms.BackupWorkers(spares=1), algorithms.BackupWorkers(spares=0)),
    "asynchronous": (
        algorithms.Asynchronous(),
        algorithms.Asynchronous(ahead=False, staleness_scaling=True, clip_norm=NORM),
    ),
    "softsync": (algorithms.SoftSync(gradients=2),),
    "downpour": (algorithms.Downpour(period=2),),
    "elastic_averaging": (
        algorithms.ElasticAveraging(period=2),
        algorithms.ElasticAveraging(period=2, asynchronous=True),
        algorithms.ElasticAveraging(period=2, momentum=0.5),
    ),
    "local_sgd": (algorithms.LocalSGD(period=2),),
    "slowmo": (algorithms.SlowMo(period=2, momentum=0.5),),
    "diloco": (algorithms.DiLoCo(period=2),),
    "adasum": (algorithms.Adasum(),),
    "admm": (algorithms.ADMM(),),
}

Refusal = Callable[[Algorithm], str | None]


def averages(algorithm: Algorithm) -> bool:
    """Whether what a loop sees behind backward is everybody's."""
    return isinstance(algorithm, Exchange) and algorithm.reduces


def stock(algorithm: Algorithm) -> bool:
    return isinstance(algorithm, algorithms.StockHorovod)


def never(algorithm: Algorithm) -> str | None:
    return None


def where_averaged(said: str, *, by_stock: str | None = None) -> Refusal:
    def refused(algorithm: Algorithm) -> str | None:
        if not averages(algorithm):
            return None
        return by_stock if by_stock is not None and stock(algorithm) else said

    return refused


def without_averages(algorithm: Algorithm) -> str | None:
    return None if averages(algorithm) else "synchronize(): "


# -- what happens between backward and step()


Between = Callable[["Part"], None]


def nothing(part: Part) -> None:
    pass


def clips_norm(part: Part) -> None:
    nn.utils.clip_grad_norm_(part.net.parameters(), NORM)


def clips_value(part: Part) -> None:
    nn.utils.clip_grad_value_(part.net.parameters(), VALUE)


def clips_at_infinity(part: Part) -> None:
    nn.utils.clip_grad_norm_(part.net.parameters(), float("inf"))


def changes(part: Part) -> None:
    """One layer scaled in place, one replaced, one noised."""
    first, second, third = part.net.parameters()
    first.grad.mul_(0.5)
    second.grad = 0.5 * second.grad
    third.grad += 0.25


def multiplies_unseen(part: Part) -> None:
    """By the scaler's kernel, which raises no version."""
    gradients = [p.grad for p in part.net.parameters()]
    torch._amp_foreach_non_finite_check_and_unscale_(gradients, torch.zeros(()), torch.tensor(0.5))


def noises_differently(part: Part) -> None:
    list(part.net.parameters())[-1].grad += 0.25 * part.rank


def looks_on_one_rank(part: Part) -> None:
    if part.rank == 0:
        part.seen.append(float(nn.utils.get_total_norm([p.grad for p in part.net.parameters()])))


def looks(x: torch.Tensor) -> None:
    assert x.grad is not None
    x.grad.mul_(1.0)


def changes_by_another_way(part: Part) -> None:
    """Through the one tensor of which all gradients are views."""
    assert part.flat is not None
    part.flat.mul_(0.5)


def synchronizes_and_clips(part: Part) -> None:
    part.opt.synchronize()
    clips_norm(part)


def halved(parts: list[Any], worker: int, step: int) -> list[Any]:
    return [part * 0.5 for part in parts]


def halved_and_noised(parts: list[Any], worker: int, step: int) -> list[Any]:
    return [parts[0] * 0.5, parts[1] + 0.25]


def noised(parts: list[Any], worker: int, step: int) -> list[Any]:
    return [parts[0], parts[1] + 0.25 * worker]


def clipped(parts: list[Any], worker: int, step: int) -> list[Any]:
    norm = float(np.linalg.norm(np.concatenate(parts)))
    scale = min(1.0, NORM / norm) if norm < problem.BAD / 2 else 1.0  # of what is no number nothing comes
    return [part * scale for part in parts]


def clipped_by_value(parts: list[Any], worker: int, step: int) -> list[Any]:
    return [np.clip(part, -VALUE, VALUE) for part in parts]


@cache
def half_precise() -> torch.Tensor:
    """What a product in bfloat16 adds to the first layer's gradient."""
    x = torch.zeros(HALF, requires_grad=True)
    product(x).backward()
    assert x.grad is not None
    return torch.cat([x.grad, torch.zeros(HALF)]).double()


def product(x: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        draw = torch.Generator().manual_seed(3)
        return torch.mm(x.float(), torch.randn(HALF[1], 4, generator=draw)).float().sum()


def with_product(parts: list[Any], worker: int, step: int) -> list[Any]:
    return [parts[0] + half_precise().numpy().ravel(), *parts[1:]]


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A row of the table."""

    between: Between = nothing
    way: str = "plain"
    passes: int = 1  # backward passes of a step
    told: bool = True  # and the wrapper has been told of them
    scales: bool = False  # the loss
    unscales: bool = False  # behind backward, by the loop
    bad: tuple[int, ...] = ()  # ranks that get an inf, or
    value: float = np.inf
    average: Rule = field(default_factory=Rule)  # what it does to an average
    own: problem.Change | None = None  # to a worker's own gradient
    always: problem.Change | None = None  # to either: the same before and after averaging
    refused: Refusal = never
    variants: bool = False  # all of an algorithm; else as users take it


UNTOLD = where_averaged("wrap with passes=n", by_stock="backward_passes_per_step")
CHANGED = where_averaged("a gradient was changed while it travelled, and not by way of its parameter")
IN_A_HOOK = where_averaged("inside backward() when that had left", by_stock="a gradient was changed while it travelled")
APART = where_averaged(WENT_APART)
CLIPPED = Rule(global_clipnorm=NORM)
LOOPS: dict[str, Loop] = {
    "plain": Loop(variants=True),
    "closure": Loop(way="closure"),
    "scaler": Loop(scales=True),
    "scaler, inf on one": Loop(variants=True, scales=True, bad=(1,)),
    "scaler, NaN on all": Loop(variants=True, scales=True, bad=(0, 1), value=np.nan),
    "scaler, unscale_, clip": Loop(scales=True, unscales=True, between=clips_norm, average=CLIPPED, own=clipped),
    "scaler, unscale_, clip, inf on one": Loop(
        scales=True, unscales=True, between=clips_norm, average=CLIPPED, own=clipped, bad=(1,)
    ),
    "clip by norm": Loop(variants=True, between=clips_norm, average=CLIPPED, own=clipped),
    "clip by value": Loop(between=clips_value, average=Rule(clipvalue=VALUE), own=clipped_by_value),
    "clip at infinity": Loop(between=clips_at_infinity),
    "scaled, replaced, noised": Loop(between=changes, always=halved_and_noised),
    "changed without a version": Loop(variants=True, between=multiplies_unseen, always=halved),
    "noised differently": Loop(variants=True, between=noises_differently, own=noised, refused=APART),
    "changed by another way": Loop(between=changes_by_another_way, own=halved, way="flat", refused=CHANGED),
    "looked at on one rank": Loop(between=looks_on_one_rank),
    "looked at in a hook": Loop(way="hooked", refused=IN_A_HOOK),
    "step skipped on one rank": Loop(way="skipped", refused=APART),
    "synchronize, clip": Loop(
        between=synchronizes_and_clips, way="unsynchronized", average=CLIPPED, refused=without_averages
    ),
    "two passes": Loop(passes=2),
    "two backwards": Loop(passes=2, told=False, refused=UNTOLD),
    "checkpointed": Loop(way="checkpointed"),
    "bfloat16 autocast": Loop(way="autocast", always=with_product),
    "two models, GAN": Loop(variants=True, way="gan"),
    "two optimizers, one model": Loop(way="parts"),
}
SKIPPED = "step skipped on one rank"  # by workers that make their own steps it is no mistake, and equals nothing
CELLS = [
    (name, algorithm)
    for name, loop in LOOPS.items()
    for row in ROWS.values()
    for algorithm in (row if loop.variants else row[:2] if row[0] == algorithms.Synchronous() else row[:1])
    if not (name == SKIPPED and not averages(algorithm))
    # A virtual delayed gradient is clipped when it is applied, after its compensation.
    if not (loop.average != Rule() and getattr(algorithm, "compensation", 0))
]


def refusal(loop: Loop, algorithm: Algorithm) -> str | None:
    """What the error of a cell says; None where it trains."""
    if algorithm.virtual_only:
        return "runs in algorithms.virtual only"
    if algorithm.name == "adasum" and not hvd.mpi_enabled():
        return "this job reduces with Gloo, which has no Adasum"
    return loop.refused(algorithm)


# -- the net


class Layer(nn.Module):
    def __init__(self, start: torch.Tensor) -> None:
        super().__init__()
        self.x = nn.Parameter(start.clone())

    def forward(self, slope: float, shift: float) -> torch.Tensor:
        return (self.x * (0.5 * slope * self.x - shift)).sum()


class Net(nn.Module):
    def __init__(self, layers: Sequence[int], rank: int) -> None:
        super().__init__()
        starts = problem.split(problem.start() + rank)  # ranks other than 0 begin elsewhere, in vain
        starts = [torch.from_numpy(start).view(shape) for start, shape in zip(starts, SHAPES, strict=True)]
        parts = {0: torch.split(starts[0], HALF[0]), 1: [starts[1]]}
        self.layers = nn.ModuleList([Layer(part) for number in layers for part in parts[number]])

    def forward(self, rank: int, phase: float, way: str) -> torch.Tensor:
        slope, shift = problem.slope(rank), float(np.sin(0.7 * phase + rank))
        if way == "checkpointed":
            losses = [
                torch.utils.checkpoint.checkpoint(layer, slope, shift, use_reentrant=False) for layer in self.layers
            ]
        else:
            losses = [layer(slope, shift) for layer in self.layers]
        if way == "autocast":
            losses.append(product(self.layers[0].x).double())
        return torch.stack(losses).sum()


class Part:
    """One wrapped optimizer with the layers of the model that it trains."""

    def __init__(
        self,
        loop: Loop,
        algorithm: Algorithm,
        layers: tuple[int, ...],
        rank: int,
        delays: Delays,
        net: Net | None = None,
    ) -> None:
        self.loop, self.algorithm, self.layers, self.rank, self.delays = loop, algorithm, layers, rank, delays
        self.whole = Net(layers, rank) if net is None else net
        self.net = nn.Module()
        mine = self.whole.layers if net is None else self.whole.layers[slice(2) if layers == (0,) else slice(2, 3)]
        self.net.layers = nn.ModuleList(mine)
        self.inner = torch.optim.SGD(self.net.parameters(), lr=RATE, momentum=MOMENTUM)
        self.seen: list[float] = []
        self.flags: list[bool] = []  # by step: whether this rank's gradient had an inf
        self.bad = False
        self.flat: torch.Tensor | None = None
        if 0 in layers:  # backward comes to it last: the others' gradients are under way
            self.net.layers[0].x.register_hook(delays.slow)
        if 1 in layers:
            self.net.layers[-1].x.register_hook(self._spoil)

    def wrap(self, others: Sequence[torch.optim.Optimizer] = ()) -> None:
        passes = self.loop.passes if self.loop.told else 1
        self.opt = DistributedOptimizer(self.inner, self.whole, self.algorithm, passes=passes, others=others)
        driver = self.opt._driver
        self.driver = driver if isinstance(driver, RoundsDriver) else None
        self.records = self.opt.keep_records() if self.driver else []
        self.scaler = torch.amp.GradScaler("cpu", init_scale=SCALE, growth_interval=GROWTH, enabled=self.loop.scales)
        if self.loop.way == "hooked":
            for layer in self.net.layers:
                layer.x.register_post_accumulate_grad_hook(looks)

    def _spoil(self, gradient: torch.Tensor) -> torch.Tensor:
        if not self.bad:
            return gradient
        gradient = gradient.clone()
        gradient[BAD_ELEMENT] = self.loop.value
        return gradient

    def number(self, step: int) -> int:
        """Of the step that is being made: the worker's own where rounds number them."""
        tagged = self.driver is not None and isinstance(self.algorithm, Rounds) and self.algorithm.tagged
        return self.driver.worker.step_number if self.driver is not None and tagged else step

    def loss(self, number: int) -> torch.Tensor:
        return self.scaler.scale(self.whole(self.rank, number, self.loop.way))

    def backward(self, step: int) -> torch.Tensor:
        number = self.number(step)
        self.bad = self.rank in self.loop.bad and number == BAD_STEP
        self.flags.append(self.bad)
        for turn in range(self.loop.passes):
            loss = self.loss(number + turn / 2)
            loss.backward()
        return loss

    def zero_grad(self) -> None:
        if self.loop.way != "flat":
            self.opt.zero_grad()
            return
        if self.flat is None:
            self.flat = torch.zeros(sum(p.numel() for p in self.net.parameters()), dtype=torch.float64)
        self.flat.zero_()
        views = torch.split(self.flat, [p.numel() for p in self.net.parameters()])
        for p, view in zip(self.net.parameters(), views, strict=True):
            p.grad = view.view(p.shape)

    def turn(self, step: int) -> None:
        """What the loop does in one iteration."""
        if self.loop.way == "closure":

            def closure() -> torch.Tensor:
                self.zero_grad()
                return self.backward(step)

            self.opt.step(closure)
            return
        self.zero_grad()
        self.backward(step)
        self.update(step)

    def update(self, step: int) -> None:
        if self.loop.unscales:
            self.scaler.unscale_(self.opt)
        self.loop.between(self)
        if self.loop.way == "skipped" and self.rank == 1 and step == BAD_STEP:
            return
        with self.opt.skip_synchronize() if self.loop.way == "unsynchronized" else nullcontext():
            self.scaler.step(self.opt)
        self.scaler.update()

    def vector(self) -> np.ndarray:
        return torch.cat([layer.x.detach().flatten() for layer in self.net.layers]).numpy()

    # -- what it must be

    def error(self) -> float:
        """How far this rank is from its reference, relative to the largest parameter."""
        if self.driver is not None and self.algorithm.quorum(hvd.size()) < hvd.size():
            with self.opt.evaluation():
                return far(self.vector(), arrived(self))
        return far(self.vector(), expected(self.loop, self.algorithm, self.layers, self.rank))

    def scale_ratio(self) -> float:
        if not self.loop.scales:
            return 1.0
        spoiled = averages(self.algorithm) and self.loop.bad
        flags = [step == BAD_STEP for step in range(STEPS)] if spoiled else self.flags
        return self.scaler.get_scale() / problem.scale_after(flags, scale=SCALE, growth=GROWTH)


def local_of(loop: Loop, algorithm: Algorithm, layers: tuple[int, ...]) -> Local:
    change = loop.always or (None if averages(algorithm) else loop.own)
    return Local(layers=layers, passes=loop.passes, change=change)


def rule_of(loop: Loop, algorithm: Algorithm, layers: tuple[int, ...]) -> Rule:
    rule = loop.average if averages(algorithm) else Rule()
    return replace(rule, layers=tuple(LAYERS[layer] for layer in layers))


def arrived(part: Part) -> np.ndarray:
    """Where the rounds have been in some order: the centre, replayed in the same."""
    replay = recording(part.algorithm, part.records, hvd.size())
    local, rule = local_of(part.loop, part.algorithm, part.layers), rule_of(part.loop, part.algorithm, part.layers)
    if isinstance(part.algorithm, Rounds) and part.algorithm.optimizer_at is Place.WORKER:
        local, rule = replace(local, bad=part.loop.bad), replace(rule, skips=True)
    # A worker without a usable gradient offered nothing, so that the records do not ask for it.
    trace, _, _ = problem.reference(
        part.algorithm, rule, local, ranks=hvd.size(), rank=part.rank, steps=STEPS, replay=replay
    )
    return trace.averages[-1]


@cache
def expected(loop: Loop, algorithm: Algorithm, layers: tuple[int, ...], rank: int) -> np.ndarray:
    """What this rank ends with."""
    if averages(algorithm) and not algorithm.delay:
        algorithm = algorithms.Synchronous()  # all of these are: one reference will do
    local, rule = local_of(loop, algorithm, layers), rule_of(loop, algorithm, layers)
    ranks = hvd.size()
    if not loop.bad:
        return problem.reference(algorithm, rule, local, ranks=ranks, rank=rank)[1]
    if averages(algorithm):  # a step that all skip is none
        return _virtual(algorithm, rule, layers, rank, STEPS - 1, lambda w, t, x: local(w, t + (t >= BAD_STEP), x))
    if isinstance(algorithm, Rounds) and algorithm.optimizer_at is Place.CENTRE and len(loop.bad) < ranks:
        # The mean of a round is that of those who have a gradient.
        sound = next(worker for worker in range(ranks) if worker not in loop.bad)

        def gradient(worker: int, step: int, x: np.ndarray) -> np.ndarray:
            return local(sound if worker in loop.bad and step == BAD_STEP else worker, step, x)

        return _virtual(algorithm, rule, layers, rank, STEPS, gradient)
    spoiled, skips = replace(local, bad=loop.bad), replace(rule, skips=True)
    return problem.reference(algorithm, skips, spoiled, ranks=ranks, rank=rank)[1]


def _virtual(
    algorithm: Algorithm, rule: Rule, layers: tuple[int, ...], rank: int, steps: int, gradient: Callable[..., Any]
) -> np.ndarray:
    parts = problem.split(problem.start())
    cluster = Cluster(
        workers=hvd.size(),
        algorithm=algorithm,
        optimizer=rule,
        parameters=np.concatenate([parts[layer] for layer in layers]),
        gradient=gradient,
        layers=[LAYERS[layer] for layer in layers],
    )
    return np.asarray(cluster.run(steps=steps, record=0).workers[rank])


def far(value: np.ndarray, wanted: np.ndarray) -> float:
    if not np.isfinite(value).all():
        return float("inf")
    return float(np.abs(value - wanted).max() / np.abs(wanted).max())


# -- one cell


def few_cores() -> None:
    """Ranks that compute with several threads each stand in each other's way, ten times as long as they compute."""
    torch.set_num_threads(1)


@dataclass(frozen=True)
class Outcome:
    """How a cell ended on this rank."""

    error: str | None  # what was raised
    far: float  # from the reference
    scale: float  # the loss scale, over what it must be
    seconds: float


def run(loop: Loop, algorithm: Algorithm, rank: int, delays: Delays) -> Outcome:
    """One cell of the table. Whatever happens in it, it leaves nothing behind but a `detach()`."""
    begun = time.monotonic()
    parts: list[Part] = []
    try:
        train(loop, algorithm, rank, delays, parts)
        return Outcome(
            None,
            max(part.error() for part in parts),
            max((part.scale_ratio() for part in parts), key=lambda ratio: abs(ratio - 1)),
            time.monotonic() - begun,
        )
    except (ValueError, RuntimeError, AssertionError) as error:
        return Outcome(f"{type(error).__name__}: {error}", 0.0, 1.0, time.monotonic() - begun)
    finally:
        for part in parts:
            if hasattr(part, "opt"):
                part.opt.detach()


def train(loop: Loop, algorithm: Algorithm, rank: int, delays: Delays, parts: list[Part]) -> None:
    if loop.way == "gan":
        _train_gan(loop, algorithm, rank, delays, parts)
        return
    if loop.way == "parts":
        net = Net((0, 1), rank)
        parts += [Part(loop, algorithm, layers, rank, delays, net) for layers in ((0,), (1,))]
        for part, other in zip(parts, reversed(parts), strict=True):
            part.wrap(others=[other.inner])
    else:
        parts.append(Part(loop, algorithm, (0, 1), rank, delays))
        parts[0].wrap()
    for step in range(STEPS):
        if loop.way == "parts":
            for part in parts:
                part.opt.zero_grad()
            parts[0].backward(step)
            for part in parts:
                part.update(step)
        else:
            parts[0].turn(step)
        delays.pause()
    for part in parts:
        part.opt.finish()


def _train_gan(loop: Loop, algorithm: Algorithm, rank: int, delays: Delays, parts: list[Part]) -> None:
    """One model's backward fills the other's gradients, too, which are not wanted."""
    parts += [Part(loop, algorithm, layers, rank, delays) for layers in ((1,), (0,))]
    generator, discriminator = parts
    for part in parts:
        part.wrap()
    for step in range(STEPS):
        generator.opt.zero_grad()
        number = generator.number(step)
        (generator.loss(number) + discriminator.loss(number + 7)).backward()
        generator.update(step)
        if step % 2:
            discriminator.opt.zero_grad()
        else:
            discriminator.net.zero_grad()
        discriminator.backward(step)
        discriminator.update(step)
        delays.pause()
    for part in parts:
        part.opt.finish()
