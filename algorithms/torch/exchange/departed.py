"""One step's gradients on their way: first in flight, then landed, averaged and ready to be applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from algorithms.mechanisms.errors import TrainingError
from algorithms.mechanisms.flights import Flight, Lost
from algorithms.mechanisms.weighing import Heard
from algorithms.torch import collectives
from algorithms.torch.arrays import Memories, Undo
from algorithms.torch.exchange.header import Answer, Fault, Header
from algorithms.torch.exchange.profile import Stopwatch
from algorithms.torch.exchange.wire import Cargo
from algorithms.torch.memory import size_in_bytes


@dataclass(eq=False)
class Departed:
    """Gradients by parameter. The header is the tensor after the last parameter."""

    gradients: list[torch.Tensor]
    header: Header
    workers: int
    weighted: bool
    flight: Flight[Cargo] | None  # None: landed, or never had to leave
    stopwatch: Stopwatch
    unit: float = 1.0  # so many samples counted as one, where they are weighed
    heard: Heard = field(default_factory=Heard)  # for those who weigh, and those who plan
    meet: Callable[[], None] = lambda: None  # those who have finished meanwhile, and wait there
    sequence: tuple[int, ...] = ()  # in which backward made the gradients
    then: list[torch.Tensor] | None = None  # the parameters they were taken at, where the algorithm compares
    homes: dict[int, torch.Tensor] = field(default_factory=dict)  # whose memory others hold: averages go back there
    memories: Memories | None = None  # of what travels in a format that leaves something behind,
    undos: list[Undo] = field(default_factory=list)  # and what taking it back would be, by parameter
    _answer: Answer | None = None

    def answer(self) -> Answer:
        """What all ranks said of this step; raises, on all of them, what is wrong with it."""
        answer = self.said()
        if self.weighted:
            self.heard.mean = answer.weight / self.workers
        problem = answer.problem(self.workers)
        if problem:
            # All ranks hear of it and all have given everything, so that nothing of this step stays on the wire.
            self.wait(range(len(self.gradients)))
            if answer.here < self.workers:
                self.meet()
            raise TrainingError(problem)
        return answer

    def said(self) -> Answer:
        """The same, whatever is wrong with it."""
        if self._answer is None:
            if self.flight is None:
                self._answer = Answer.of(self.header, self.workers)
            else:
                self._wait(self.flight, [len(self.gradients)])
                self._answer = Answer.decode(self.flight.cargo(len(self.gradients)).tensor, self.workers)
            self.heard.present = self._answer.present
        return self._answer

    def land(self, numbers: Iterable[int]) -> dict[int, torch.Tensor]:
        """Wait for these; the averages, without those that no rank had a gradient for. Ask for each once."""
        answer = self.answer()
        numbers = list(numbers)
        self.wait(numbers)
        self._take_back(number for number in numbers if not answer.present[number])
        landed = {number: self.gradients[number] for number in numbers if answer.present[number]}
        if self.weighted and landed:
            torch._foreach_mul_(list(landed.values()), self.unit * self.workers / answer.weight)
        for number in landed.keys() & self.homes.keys():
            landed[number] = self.homes.pop(number).detach().copy_(landed[number])
        return landed

    def sure(self) -> None:
        """It will be applied: nobody will ask for it back, but for what no rank has a gradient of, and so not this one."""
        present = self.header.present if self._answer is None else self._answer.present
        for number, undo in enumerate(self.undos):
            if present[number]:
                undo.forget()

    def take_back(self) -> None:
        """It will not be applied: when it has landed, what was left behind becomes what it would be without it."""
        self.wait(range(len(self.gradients)))
        self._take_back(range(len(self.gradients)))

    def _take_back(self, numbers: Iterable[int]) -> None:
        if self.memories is not None:
            for number in numbers:
                self.memories.take_back(number, self.undos[number])

    def changed(self, gradients: Sequence[torch.Tensor | None]) -> Departed:
        """The same step, landed, with what has become of its averages."""
        present = tuple(gradient is not None for gradient in gradients)
        kept = [old if new is None else new for old, new in zip(self.gradients, gradients, strict=True)]
        answer = replace(self.answer(), present=present)
        return replace(self, gradients=kept, flight=None, weighted=False, homes={}, _answer=answer)

    def wait(self, numbers: Iterable[int]) -> None:
        if self.flight is not None:
            self._wait(self.flight, numbers)

    def has_landed(self, numbers: Iterable[int]) -> bool:
        return self.flight is None or all(map(self.flight.has_landed, numbers))

    def any_landed(self, groups: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Wait until one of these groups has landed; all that have."""
        if self.flight is None:
            return groups
        with self.stopwatch.waiting():
            try:
                return self.flight.wait_any(groups)
            except Lost as error:
                raise collectives.stopped(error) from error

    def all_landed(self) -> Departed:
        """Wait for everything, and keep the averages alone."""
        if self.flight is not None or self.weighted:
            self.land(range(len(self.gradients)))
            self.flight, self.weighted = None, False
        return self

    def present(self) -> list[torch.Tensor]:
        """Those that any rank had a gradient for."""
        return [g for g, there in zip(self.gradients, self.answer().present, strict=True) if there]

    def _wait(self, flight: Flight[Cargo], numbers: Iterable[int]) -> None:
        with self.stopwatch.waiting():
            try:
                flight.wait(numbers)
            except Lost as error:
                raise collectives.stopped(error) from error

    def held_bytes(self) -> int:
        extra = 0
        if self.flight is not None:
            extra = sum(self.flight.cargo(number).extra_bytes for number in range(len(self.gradients)))
        extra += sum(undo.bytes for undo in self.undos)
        return size_in_bytes(self.gradients) + size_in_bytes(self.then or ()) + extra

    @classmethod
    def restored(
        cls, saved: dict[str, Any], parameters: Sequence[torch.Tensor], workers: int, stopwatch: Stopwatch
    ) -> Departed:
        """From what `state` gave."""

        def back(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
            return [torch.empty_like(p).copy_(tensor) for tensor, p in zip(tensors, parameters, strict=True)]

        return cls(
            gradients=back(saved["gradients"]),
            header=Header(Fault.NONE, 1.0, saved["present"]),
            workers=workers,
            weighted=False,
            flight=None,
            stopwatch=stopwatch,
            then=None if saved["then"] is None else back(saved["then"]),
        )

    def state(self) -> dict[str, Any]:
        """Landed, as tensors that can be saved."""
        self.all_landed()
        return {
            "gradients": [gradient.clone() for gradient in self.gradients],
            "present": list(self.answer().present),
            "then": None if self.then is None else [tensor.clone() for tensor in self.then],
        }
