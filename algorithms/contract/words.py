"""The words in which an algorithm says when, in which order, where and how."""

from __future__ import annotations

from enum import Flag, StrEnum, auto
from typing import Any

Array = Any  # whatever has + - * / element by element: numpy.ndarray, torch.Tensor, tensorflow.Tensor


class Moment(StrEnum):
    """A place in the training loop that the contract's first page shows."""

    STEP_BEGINS = "step begins"
    GRADIENT_READY = "gradient ready"
    BACKWARD_ENDED = "backward ended"
    STEP_ENDED = "step ended"


class Finish(StrEnum):
    """When and in which order a worker waits for averages and applies the optimizer."""

    TOGETHER = "together"  # all parameters at once, after backward
    BACKWARD = "backward"  # layer by layer after backward, in the order in which backward produced them
    COMPLETION = "completion"  # layer by layer after backward, whichever average has landed
    NEXT_USE = "next use"  # each layer right before the next forward uses it


class Place(StrEnum):
    """Whose parameters the user's optimizer moves."""

    WORKER = "worker"
    CENTRE = "centre"


class Reduction(StrEnum):
    """How contributions become one array."""

    SUM = "sum"
    MEAN = "mean"
    ADASUM = "adasum"


class Role(StrEnum):
    """What an algorithm is there for, where several are compared."""

    CEILING = "ceiling"  # what none can be faster than; its model means nothing
    CONTROL = "control"  # the plain tool, untouched
    REFERENCE = "reference"  # what speed-ups are measured against
    ALGORITHM = "algorithm"


class Reads(Flag):
    """What a rule looks at. A driver hands it as it is, or refuses the algorithm when it is attached."""

    NOTHING = 0
    BEFORE = auto()  # own.parameters as they were before the worker's optimizer moved them
    CENTRE = auto()
    ROUND = auto()  # situation.round
    RATE = auto()  # situation.learning_rate
