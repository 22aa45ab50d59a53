"""Whether anybody else has written to parameters since they were taken from the centre: by comparing them with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from algorithms.mechanisms.quorum import outside
from algorithms.mechanisms.quorum.worker import Worker
from algorithms.tensorflow.arrays import shared_memory
from algorithms.tensorflow.rounds.gradients import GradientWork


class Outside:
    """Looks where training begins and where it ends, and tells its user once."""

    def __init__(self, algorithm: str, variables: Sequence[Any], work: GradientWork, worker: Worker) -> None:
        self._algorithm, self._variables, self._work, self._worker = algorithm, tuple(variables), work, worker
        self._told = False

    def changed(self) -> list[str]:
        """What is not as it was taken, as far as that can be seen: not once the centre has moved on."""
        centre, rounds = self._work.refresh()
        if self._told or rounds != self._worker.life.read:
            return []
        held = [shared_memory(variable.value.read_value()) for variable in self._variables]
        pairs = zip(self._variables, held, centre, strict=True)
        return [variable.path for variable, mine, taken in pairs if mine.tobytes() != taken.tobytes()]

    def tells(self, changed: Sequence[str]) -> None:
        """This is about to be lost."""
        if changed and not self._told:
            self._told = True
            outside.warn(self._algorithm, changed)
