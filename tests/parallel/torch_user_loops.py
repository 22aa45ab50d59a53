"""The loops that users write around a PyTorch optimizer: how each runs, what it must equal, or why it must be refused.

A loop that changes gradients between backward and `step()` changes the average where the algorithm averages gradients, as
with PyTorch's DistributedDataParallel, and the worker's own gradient everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import horovod.torch as hvd
import numpy as np
import torch
from torch import nn

import algorithms
from algorithms.contract import Algorithm, Exchange
from algorithms.torch.exchange.header import WENT_APART
from tests.laws.table import LAWS
from tests.parallel import user_loops_problem as problem
from tests.parallel.user_loops_problem import SHAPES, Rule

if TYPE_CHECKING:
    from tests.parallel.torch_user_cells import Part

HALF = (SHAPES[0][0] // 2, SHAPES[0][1])  # of the first layer, which are two parameters here
SCALE, GROWTH = 2.0**10, 2
NORM, VALUE = 64.0, 0.25  # that gradients are clipped to

# Every algorithm of the catalogue, first as users take it.
ROWS: dict[str, tuple[Algorithm, ...]] = {name: law.loops or (law.typical,) for name, law in LAWS.items()}
ROWS["layerwise"] += tuple(algorithms.LayerWise(order=order) for order in ("all", "backward", "completion"))

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


UNTOLD = where_averaged("wrap with passes=n")
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
    "two models, GAN": Loop(way="gan"),
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
