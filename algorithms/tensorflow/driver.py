"""What stands between the optimizer that the user holds and an algorithm: one driver per way of travelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import horovod.tensorflow as hvd
import keras
import tensorflow as tf

from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.tensorflow.agreement import Checks
from algorithms.tensorflow.clock import Clock
from algorithms.tensorflow.names import Names
from algorithms.tensorflow.weighing import Samples
from algorithms.wire import Format


@dataclass(frozen=True, kw_only=True)
class Attached:
    """What a driver is given."""

    optimizer: keras.optimizers.Optimizer  # the user's
    outer: keras.optimizers.Optimizer  # whose variables are saved with the model
    among: hvd.ProcessSet  # the ranks that train together
    workers: int
    rank: int  # of this process among them
    form: Format  # of what travels
    checks: Checks
    clock: Clock
    passes: int = 1  # backward passes per step
    samples: Samples | None = None  # where gradients are weighed

    def index(self, variable: Any) -> int:
        """A variable's place in the list that `build` got."""
        number: int = self.outer._get_variable_index(variable)
        return number

    @property
    def own_learning_rate(self) -> Any:
        """This worker's, where the user's optimizer stands at the centre."""
        return self.outer._learning_rate


class Driver(Protocol):
    """Runs one algorithm, inside the functions that the user's training loop traces."""

    names: Names

    def build(self, variables: Sequence[Any]) -> None:
        """Create the state of the user's optimizer, and what is kept beside it and the parameters."""

    @property
    def description(self) -> str:
        """What must be the same on all ranks before the first step, beside parameters and optimizers."""

    def common(self) -> list[tf.Variable]:
        """What all ranks take from rank 0 before the first step."""

    @property
    def fresh(self) -> bool:
        """Whether nobody has trained yet, so that there is nothing that could be each worker's own."""

    def begin(self) -> None:
        """They have taken it; no step has been traced to its end yet."""

    def step(self, gradients: Mapping[int, tf.Tensor]) -> None:
        """Trace one step into the current graph, from the gradients of variables that have one."""

    @property
    def learning_rate(self) -> Any:
        """Of this worker's optimizer; None: the user's optimizer has it."""

    @property
    def crosses(self) -> bool:
        """Whether an exchange goes on during the next step, if both are traced into one function."""

    def measure(self) -> None:
        """Let the functions of one step each that are traced from now on measure themselves, so that `plan` knows."""

    def plan(self) -> None:
        """Plan the order of transmission for what is traced from now on. Collective."""

    @property
    def planned(self) -> bool:
        """Whether that has been done."""

    def finish(self) -> None:
        """Drain. Collective. It changes nothing where no rank has trained since the last."""

    def evaluation(self) -> AbstractContextManager[None]:
        """The parameters that one evaluates, put back at the end."""

    def still(self) -> AbstractContextManager[None]:
        """Nothing that is saved moves meanwhile."""

    @property
    def own(self) -> list[Any]:
        """Those of the optimizer's variables that are each worker's own rather than equal on all."""

    def go_on(self, survivors: Sequence[bool]) -> None:
        """Among other workers than before, when the state is rank 0's and what is `own` each survivor's. Collective.

        Before the first step.
        """

    def leave(self) -> None:
        """Leave Horovod now, and end what waits for other ranks. Not collective."""

    def telemetry(self) -> Telemetry: ...

    def watch(self, watcher: Watcher) -> bool:
        """Tell of all that travels from now on. False: it travels inside a traced function, where a profile shows it."""
