"""What ranks tell each other about a step, in one small tensor that is averaged with its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import torch

CPU = torch.device("cpu")


class Fault(IntEnum):
    """A mistake of one rank, which all ranks must hear of so that none waits for the other."""

    NONE = 0
    NO_BACKWARD = 1
    BACKWARD_AGAIN = 2
    CHANGED = 3
    SPARSE = 4
    NOT_WEIGHED = 5
    UNFROZEN = 6
    IN_BACKWARD = 7
    LEFT = 8


SAID = {
    Fault.NO_BACKWARD: "step() without a gradient: call backward() before step(), or weigh(0) on a rank without samples",
    Fault.BACKWARD_AGAIN: "a parameter got its gradient more often than there are passes: step() after each backward(), "
    "or wrap with passes=n to accumulate n of them, as many as a trainer does (Trainer's and accelerate's "
    "gradient_accumulation_steps, Lightning's accumulate_grad_batches); checkpointing needs use_reentrant=False",
    Fault.CHANGED: "a gradient was changed while it travelled, and not by way of its parameter: change p.grad between "
    "backward() and step(), which is the average by then, or clip it with DistributedOptimizer(..., clip_norm=...)",
    Fault.SPARSE: "a sparse gradient: wrap with sparse_as_dense=True, because sparse gradients have no place in a planned "
    "exchange, or use sparse=False",
    Fault.NOT_WEIGHED: "weighted=True needs weigh(samples) before the backward() of each step",
    Fault.UNFROZEN: "a parameter that was frozen has got a gradient: wrap while all that will ever train is trainable, and "
    "freeze and unfreeze it afterwards, or detach() and wrap again",
    Fault.IN_BACKWARD: "a hook looked at p.grad inside backward() when that had left already: register it before "
    "wrapping and it sees this rank's own, or look at the average behind backward()",
    Fault.LEFT: "detached its optimizer, without finish(), while another rank made a step",
}
# Said at the step after, or when training ends.
WENT_APART = (
    "ranks did different things with an average between backward() and step(), so their parameters are no longer equal: "
    "what is clipped, scaled, noised, replaced or skipped there must be the same on every rank (change this rank's own "
    "gradient in a hook before wrapping, or its loss)"
)


@dataclass(frozen=True)
class Header:
    """One rank's word on one step."""

    fault: Fault
    weight: float
    present: Sequence[bool]  # which parameters have a gradient here
    here: bool = True  # this is a step, not the end of training
    history: int = 0  # of what was done with averages that were shown

    def encode(self, rank: int, workers: int, dtype: torch.dtype) -> torch.Tensor:
        said = [0.0] * (2 * workers)
        said[rank], said[workers + rank] = float(self.fault), float(self.history)
        return torch.tensor([*said, float(self.here), self.weight, *map(float, self.present)], dtype=dtype)


def kind_of_header(parameters: Sequence[torch.Tensor]) -> tuple[torch.dtype, torch.device]:
    """Type and place of a header: those of the gradients where they agree on some that can hold it, to travel as one."""
    kinds = {(parameter.dtype, parameter.device) for parameter in parameters}
    return torch.float32 if kinds == {(torch.float32, CPU)} else torch.float64, CPU


def length(workers: int, parameters: int) -> int:
    """Elements of an encoded header."""
    return 2 * workers + 2 + parameters


@dataclass(frozen=True)
class Answer:
    """What all ranks together said."""

    faults: tuple[Fault, ...]  # by rank
    here: int  # ranks that took part
    weight: float
    present: tuple[bool, ...]  # which parameters have a gradient anywhere
    histories: tuple[int, ...] = ()  # by rank

    @classmethod
    def decode(cls, averaged: torch.Tensor, workers: int) -> Answer:
        values = [value * workers for value in averaged.tolist()]
        return cls(
            faults=tuple(Fault(round(value)) for value in values[:workers]),
            here=round(values[2 * workers]),
            weight=values[2 * workers + 1],
            present=tuple(value > 0 for value in values[2 * workers + 2 :]),
            histories=tuple(round(value) for value in values[workers : 2 * workers]),
        )

    @classmethod
    def of(cls, header: Header, workers: int) -> Answer:
        """One rank's word, where there is nobody else or all have been heard."""
        return cls((header.fault,), workers, header.weight, tuple(header.present))

    def problem(self, workers: int) -> str | None:
        """What is wrong, in words for the user of any rank."""
        if self.here < workers:
            return (
                f"{workers - self.here} of {workers} ranks called finish() while this one made another step: give every "
                "rank the same number of steps (weighted=True and weigh(0) let a rank without samples take part)"
            )
        faulty = [rank for rank, fault in enumerate(self.faults) if fault]
        if faulty:
            who = "every rank" if len(faulty) == workers else f"rank {', '.join(map(str, faulty))}"
            return f"{who}: {'; '.join(SAID[fault] for fault in sorted({*self.faults} - {Fault.NONE}))}"
        if len({*self.histories}) > 1:
            return WENT_APART
        if not self.weight > 0:
            return "no rank had a sample: at least one must call weigh() with more than 0"
        return None
