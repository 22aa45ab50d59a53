"""This worker's replica of the centre, in Keras variables, so that it is saved and loaded with the optimizer.

The rules see NumPy arrays that share the variables' memory. A rule returns new arrays, and assigning replaces a variable's
memory, so what has been handed out stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from algorithms.contract import Centre, Rounds
from algorithms.mechanisms.quorum import replica
from algorithms.tensorflow.arrays import Array, bytes_of, shared_memory

Create = Callable[[Any, str], Any]  # (reference variable, name) -> Keras variable of its shape


class Held:
    """One array for each parameter."""

    def __init__(self, references: Sequence[Any], create: Create, name: str) -> None:
        self.variables = tuple(create(reference, name) for reference in references)

    def at(self, number: int) -> Array:
        return shared_memory(self.variables[number].value.read_value())

    def put(self, number: int, values: Any) -> None:
        self.variables[number].assign(values)  # a copy

    @contextmanager
    def in_place_of(self, variables: Sequence[Any], still: AbstractContextManager[Any]) -> Iterator[None]:
        """Let variables have these values for a while. `still`: nothing becomes of them in there."""
        own = [variable.value.read_value() for variable in variables]
        with still:
            for number, variable in enumerate(variables):
                variable.assign(self.at(number))
        try:
            yield
        finally:
            for variable, value in zip(variables, own, strict=True):
                variable.assign(value)

    @property
    def bytes(self) -> int:
        return bytes_of(self.variables)


class Replica(replica.AnyReplica[int, Held]):
    """As much of a `Centre` as the algorithm keeps; a piece is a parameter."""

    def __init__(self, algorithm: Rounds, references: Sequence[Any], create: Create) -> None:
        super().__init__(algorithm, lambda part: Held(references, create, f"centre_{part}"))

    def settle(self, number: int, centre: Centre) -> Centre:
        """Keep what a rule has returned; the same, of which what is kept here takes no more memory."""
        self.put(number, centre)
        return replace(centre, **{part: held.at(number) for part, held in self.kept.items()})

    @property
    def variables(self) -> list[Any]:
        return [variable for held in self.kept.values() for variable in held.variables]
