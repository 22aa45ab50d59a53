"""What a delay keeps between steps: averages that wait for their turn, and the last step's own gradients.

The newest gradients are reduced during the *next* step: their exchange depends on nothing in it, so it hides behind the
whole of it, whoever traced the step. Their average then waits in line until the delay is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from algorithms.contract import Exchange
from algorithms.life import Pipeline
from algorithms.tensorflow.driver import Attached
from algorithms.tensorflow.exchange.departed import Departed
from algorithms.tensorflow.scaling import Scales

Create = Callable[[Any, str], Any]  # (reference variable, name) -> Keras variable of its shape, filled with zeros


class Line:
    """The state of one variable. Lines move by assigning whole tensors, which share their buffers: nothing is copied."""

    def __init__(self, algorithm: Exchange, variable: Any, create: Create) -> None:
        delay = algorithm.delay
        self.waiting = tuple(create(variable, f"average_{age}") for age in range(delay, 1, -1))  # oldest first
        self.newest = create(variable, "gradient")
        compares = algorithm.compares_parameters
        self.then = tuple(create(variable, f"parameters_{age}") for age in range(delay, 0, -1)) if compares else ()

    @property
    def variables(self) -> tuple[Any, ...]:
        return (*self.waiting, self.newest, *self.then)

    def line(self, average: tf.Tensor) -> list[tf.Tensor]:
        """All averages in flight, oldest first."""
        return [*(slot.value.read_value() for slot in self.waiting), average]

    def taken_at(self) -> list[tf.Tensor | None]:
        """The parameters that these were taken at."""
        return [slot.value.read_value() for slot in self.then] or [None] * (len(self.waiting) + 1)

    def keep(self, flying: Sequence[tf.Tensor], then: Sequence[Any]) -> None:
        """What is in flight from now on, and where it was taken, oldest first."""
        for slot, value in zip((*self.waiting, self.newest), flying, strict=True):
            slot.assign(value)
        if self.then:
            for slot, value in zip(self.then, then, strict=True):
                slot.assign(value)


class Lines:
    """Those of all variables, how many steps are in them, and what else must be known of these steps' gradients."""

    def __init__(self, algorithm: Exchange, attached: Attached, variables: Sequence[Any]) -> None:
        self._algorithm = algorithm
        outer = attached.outer
        self._lines = tuple(Line(algorithm, variable, outer.add_variable_from_reference) for variable in variables)
        self._steps = outer.add_variable((), dtype="int32", name="in_flight")
        self.scales = Scales(attached.optimizer, algorithm.delay, outer.add_variable)
        weighted = attached.samples is not None
        self._weight = outer.add_variable((), initializer="ones", dtype="float64", name="weight") if weighted else None

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def variables(self) -> list[Any]:
        return [variable for line in self._lines for variable in line.variables]

    @property
    def steps(self) -> int:
        """In flight."""
        return int(self._steps.numpy())

    @property
    def any(self) -> tf.Tensor:
        return self._steps.value > 0

    @property
    def full(self) -> tf.Tensor:
        return tf.equal(self._steps.value, self._algorithm.delay)

    @property
    def weight(self) -> tf.Tensor | None:
        """Of the newest gradients."""
        return None if self._weight is None else self._weight.value.read_value()

    def newest(self, numbers: Iterable[int]) -> dict[int, tf.Tensor]:
        return {number: self._lines[number].newest.value.read_value() for number in numbers}

    def flying(self, landed: Mapping[int, tf.Tensor]) -> Pipeline[Departed]:
        """A full line, of which the newest has landed."""
        lines = {i: self._lines[i].line(average) for i, average in landed.items()}
        then = {i: self._lines[i].taken_at() for i in landed}
        scales = self.scales.then()
        flying: Pipeline[Departed] = Pipeline(self._algorithm)
        flying.restart(
            Departed(
                {i: line[age] for i, line in lines.items()},
                {i: at[age] for i, at in then.items()},
                None if scales is None else scales[age],
            )
            for age in range(self._algorithm.delay)
        )
        return flying

    def due(self, due: Departed, now: Mapping[int, tf.Tensor]) -> dict[int, tf.Tensor]:
        """What the algorithm applies of what is due, as the user's optimizer takes it today."""
        scale = self.scales.now()

        def corrected(i: int) -> tf.Tensor:
            average = self.scales.restored(due.gradients[i], scale, due.scale)
            if not self._algorithm.compares_parameters:
                return self._algorithm.correct(average, now[i], due.then[i])
            return self.scales.seen(lambda true: self._algorithm.correct(true, now[i], due.then[i]), average, scale)

        return {i: corrected(i) for i in due.gradients}

    def keep(self, flying: Iterable[Departed], made: Departed, weight: tf.Tensor | None) -> None:
        """What is in flight from now on, the newest of which was made by this step."""
        kept = list(flying)
        for i in made.gradients:
            self._lines[i].keep([one.gradients[i] for one in kept], [one.then[i] for one in kept])
        self.scales.push(made.scale)
        if self._weight is not None:
            self._weight.assign(weight)
        self._steps.assign(tf.minimum(self._steps.value + 1, self._algorithm.delay))

    def empty(self) -> None:
        """What is still there has been applied, or is of no use."""
        self._steps.assign(0)
        for line in self._lines:
            line.newest.assign(tf.zeros_like(line.newest.value))
        if self._weight is not None:
            self._weight.assign(1.0)
