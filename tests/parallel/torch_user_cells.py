"""One cell of the table of user's loops in PyTorch: the net, the training, and what it must come to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import horovod.torch as hvd
import numpy as np
import torch
from torch import nn

import algorithms
from algorithms.contract import Algorithm, Place, Rounds
from algorithms.torch import DistributedOptimizer
from algorithms.torch.rounds.driver import RoundsDriver
from algorithms.virtual import Cluster
from algorithms.virtual.replay import recording
from tests.parallel import user_loops_problem as problem
from tests.parallel.torch_delays import Delays
from tests.parallel.torch_user_loops import GROWTH, HALF, SCALE, Loop, averages, looks, product
from tests.parallel.user_loops_problem import BAD_ELEMENT, BAD_STEP, LAYERS, MOMENTUM, RATE, SHAPES, STEPS, Local, Rule


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

    def forward(self, rank: int, phases: Sequence[float], way: str) -> torch.Tensor:
        slope, shifts = problem.slope(rank), [float(np.sin(0.7 * phase + rank)) for phase in phases]
        layers = list(zip(self.layers, shifts, strict=True))
        if way == "checkpointed":
            losses = [
                torch.utils.checkpoint.checkpoint(layer, slope, shift, use_reentrant=False) for layer, shift in layers
            ]
        else:
            losses = [layer(slope, shift) for layer, shift in layers]
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
        self.beside: Sequence[Part] = [self]  # with those that train the other layers of `whole`, in their order
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
        return self.driver.worker.life.step if self.driver is not None and tagged else step

    def loss(self, step: int, later: float = 0.0) -> torch.Tensor:
        """Each layer's at the step of its own optimizer: one's late gradient is dropped where the other's is in time."""
        phases = [part.number(step) + later for part in self.beside for _ in part.net.layers]
        return self.scaler.scale(self.whole(self.rank, phases, self.loop.way))

    def backward(self, step: int) -> torch.Tensor:
        self.bad = self.rank in self.loop.bad and self.number(step) == BAD_STEP
        self.flags.append(self.bad)
        for turn in range(self.loop.passes):
            loss = self.loss(step, turn / 2)
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


@lru_cache(maxsize=8)  # a cell runs with several seeds
def expected(loop: Loop, algorithm: Algorithm, layers: tuple[int, ...], rank: int) -> np.ndarray:
    """What this rank ends with."""
    if averages(algorithm) and not algorithm.delay:
        algorithm = algorithms.Synchronous()  # all of these are: one reference will do
    local, rule = local_of(loop, algorithm, layers), rule_of(loop, algorithm, layers)
    ranks = hvd.size()
    if not loop.bad:
        return problem.ends(algorithm, rule, local, ranks=ranks, rank=rank)[0]
    if averages(algorithm):  # a step that all skip is none
        return _virtual(algorithm, rule, layers, rank, STEPS - 1, lambda w, t, x: local(w, t + (t >= BAD_STEP), x))
    if isinstance(algorithm, Rounds) and algorithm.optimizer_at is Place.CENTRE and len(loop.bad) < ranks:
        # The mean of a round is that of those who have a gradient.
        sound = next(worker for worker in range(ranks) if worker not in loop.bad)

        def gradient(worker: int, step: int, x: np.ndarray) -> np.ndarray:
            return local(sound if worker in loop.bad and step == BAD_STEP else worker, step, x)

        return _virtual(algorithm, rule, layers, rank, STEPS, gradient)
    spoiled, skips = replace(local, bad=loop.bad), replace(rule, skips=True)
    return problem.ends(algorithm, skips, spoiled, ranks=ranks, rank=rank)[0]


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
            part.beside = parts
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
        (generator.loss(step) + discriminator.loss(step, 7)).backward()
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
