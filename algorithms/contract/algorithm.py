"""What every algorithm says of itself, of whichever kind it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from algorithms.contract.words import Role


class Algorithm(ABC):
    """Frozen hyper-parameters plus the answers to the events of the training loop."""

    name: ClassVar[str]  # = file name = key in CATALOGUE = name in specifications and reports
    virtual_only: ClassVar[bool] = False
    refuses_formats: ClassVar[str] = ""  # why numbers travel as they are and in no other form (`algorithms.wire`)

    @property
    def role(self) -> Role:
        return Role.ALGORITHM

    @property
    def silent(self) -> bool:
        """Whether nothing ever travels."""
        return False

    @property
    @abstractmethod
    def hides(self) -> bool:
        """Whether computing goes on while an exchange travels; else training stands still for it."""

    def check(self, workers: int) -> None:  # noqa: B027 - most algorithms run on any number of workers
        """Raise ValueError where these hyper-parameters cannot work with this many workers."""

    @abstractmethod
    def memory(self) -> float:
        """Parameter copies that one worker keeps beyond parameters, gradients and optimizer state."""

    def bytes_per_exchange(self, workers: int, parameter_bytes: float) -> float:
        """Bytes that one worker sends in one exchange of everything: a ring all-reduce, the least there is."""
        return 2 * (workers - 1) / workers * parameter_bytes
