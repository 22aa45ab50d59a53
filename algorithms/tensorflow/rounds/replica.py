"""This worker's replica of the centre, in Keras variables, so that it is saved and loaded with the optimizer.

The rules see NumPy arrays that share the variables' memory. A rule returns new arrays, and assigning replaces a variable's
memory, so what has been handed out stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from algorithms.contract import Centre, Rounds
from algorithms.tensorflow.rounds.wire import Array, shared_memory

Create = Callable[[Any, str], Any]  # (reference variable, name) -> Keras variable of its shape


class Held:
    """One array for each parameter."""

    def __init__(self, references: Sequence[Any], create: Create, name: str) -> None:
        self.variables = tuple(create(reference, name) for reference in references)

    def at(self, number: int) -> Array:
        return shared_memory(self.variables[number].value.read_value())

    def put(self, number: int, values: Any) -> None:
        self.variables[number].assign(np.array(values))  # a copy of its own: TensorFlow may update it in place

    @property
    def bytes(self) -> int:
        return sum(variable.value.dtype.size * variable.shape.num_elements() for variable in self.variables)


class Replica:
    """As much of a `Centre` as the algorithm keeps."""

    def __init__(self, algorithm: Rounds, references: Sequence[Any], create: Create) -> None:
        self._algorithm = algorithm
        probe = algorithm.centre(np.zeros(1))
        kept = {"parameters": probe.parameters, "velocity": probe.velocity, "average": probe.average}
        self.parts = {
            part: Held(references, create, f"centre_{part}") for part, value in kept.items() if value is not None
        }

    def at(self, number: int) -> Centre:
        """What the rules see of one parameter's centre."""
        return Centre(**{part: held.at(number) for part, held in self.parts.items()})

    def put(self, number: int, centre: Centre) -> None:
        """Keep what a rule has returned."""
        values = {"parameters": centre.parameters, "velocity": centre.velocity, "average": centre.average}
        for part, held in self.parts.items():
            held.put(number, values[part])

    def grow_average(self, number: int, rounds: int) -> None:
        """Take the centre after its `rounds`-th round into the average that evaluation uses."""
        if "average" in self.parts:
            held, centre = self.parts["average"], self.at(number)
            held.put(number, self._algorithm.averaged(centre.average, centre.parameters, rounds))

    @property
    def evaluated(self) -> Held | None:
        """What evaluation looks at; None: each worker's own."""
        return self.parts.get("average", self.parts.get("parameters"))

    @property
    def variables(self) -> list[Any]:
        return [variable for held in self.parts.values() for variable in held.variables]

    @property
    def bytes(self) -> int:
        return sum(held.bytes for held in self.parts.values())
