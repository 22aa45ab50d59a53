"""Algorithms whose gradients travel: each step's leave as a flight, land, and are applied, now or when they are due."""

from __future__ import annotations

from collections import deque
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from algorithms.contract import Exchange, Finish, Moment
from algorithms.mechanisms import routes
from algorithms.mechanisms.flights import Courier, Flight
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.torch import collectives
from algorithms.torch.apply import applied
from algorithms.torch.departed import Departed
from algorithms.torch.departures import Departures
from algorithms.torch.driver import Attached
from algorithms.torch.header import Fault, Header, kind_of_header, length
from algorithms.torch.profile import STEPS, Stopwatch, planned_route
from algorithms.torch.wire import Cargo, HorovodWire, load


class ExchangeDriver:
    """One engine for all of them: start -> in flight -> landed -> applied."""

    def __init__(self, algorithm: Exchange, attached: Attached) -> None:
        self._algorithm = algorithm
        self._attached = attached
        self._parameters = attached.parameters
        self._sizes = [p.numel() * (2 if p.is_complex() else 1) for p in self._parameters]
        self._sizes.append(length(attached.workers, len(self._parameters)))
        self._kinds = [*((p.dtype, p.device) for p in self._parameters), kind_of_header(self._parameters)]
        self._stopwatch = Stopwatch(len(self._sizes), attached.clock)
        self._courier: Courier[Cargo] | None = None
        if attached.workers > 1:
            self._courier = Courier(HorovodWire(), attached.prefix, lanes=self._lanes())
        self._planned = algorithm.start is Moment.GRADIENT_READY and attached.workers > 1
        self._route = routes.first(self._sizes) if self._planned else routes.whole(self._sizes)
        self._current: Flight[Cargo] | None = None
        self._departed: deque[Departed] = deque()
        self._apply = applied(algorithm, attached, self._stopwatch)
        taken = {id(p) for p in self._parameters}
        self._departures = Departures(
            self._parameters,
            [p for group in attached.optimizer.param_groups for p in group["params"] if id(p) not in taken],
            passes=attached.passes,
            weighted=attached.weighted,
            at_once=algorithm.start is Moment.GRADIENT_READY,
            flight=self._flight,
            ready=self._stopwatch.ready,
        )
        self._steps = 0
        self._rounds = 0
        self._used = 0
        self._bytes = 0
        self._fresh = True

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self._attached.optimizer

    def _lanes(self) -> int:
        """As many flights share the wire as are in flight, unless Horovod would forget the names between two uses."""
        pieces = len(routes.first(self._sizes).order)
        remembered = 900  # of the 1024 names in Horovod's response cache, some of which others need
        return max(1, min(self._algorithm.delay + 1, remembered // pieces))

    def _flight(self) -> Flight[Cargo] | None:
        if self._current is None and self._courier is not None:
            self._current = self._courier.open(self._route)
        return self._current

    def weigh(self, samples: float) -> None:
        self._departures.weight = samples

    def zero_grad(self, set_to_none: bool) -> None:
        if self._departures.any_left:
            raise RuntimeError("zero_grad() between backward() and step() would destroy gradients that are travelling")
        self._departures.forget_gradients()
        self.optimizer.zero_grad(set_to_none)

    def attempt(self) -> AbstractContextManager[None]:
        return nullcontext()

    def step(self) -> None:
        self._fresh = False
        self._apply.settle()
        departed = self._depart(ended=False)
        if departed.header.fault:
            departed.answer()
        self._departed.append(departed)
        due = self._departed.popleft() if len(self._departed) > self._algorithm.delay else None
        if due is not None:
            self._count(due)
        self._apply.step(departed, due)
        self._steps += 1
        self._stopwatch.lap(self._steps - 1 in STEPS)
        if self._steps == STEPS.stop and self._planned:
            self._plan()

    def _depart(self, *, ended: bool) -> Departed:
        """Backward has ended: what has not left leaves now. `ended`: so has training, and this is not a step."""
        weight = self._departures.weight
        fault, gradients, present = self._departures.close()
        header = Header(fault, 1.0 if weight is None else weight, present, here=not ended)
        flight = self._flight()
        if flight is not None:
            dtype, _ = self._kinds[-1]
            self._stopwatch.ready(len(self._parameters))
            flight.give(len(self._parameters), load(header.encode(self._attached.rank, self._attached.workers, dtype)))
            self._bytes += sum(flight.cargo(number).bytes for number in range(len(self._sizes)))
        departed = Departed(
            gradients=gradients,
            header=header,
            workers=self._attached.workers,
            weighted=self._attached.weighted,
            flight=flight,
            stopwatch=self._stopwatch,
            sequence=tuple(self._departures.sequence),
        )
        self._departures.forget()
        self._current = None
        return departed

    def _count(self, due: Departed) -> None:
        self._rounds += 1
        self._used += due.header.weight > 0

    def _plan(self) -> None:
        """The first steps have shown when things are ready and needed: agree on a route."""
        assert self._courier is not None
        self._apply.settle()
        with self._stopwatch.waiting():
            for departed in self._departed:
                departed.all_landed()
            self._route = planned_route(
                self._sizes,
                self._kinds,
                self._stopwatch,
                by_need=self._algorithm.finish is Finish.NEXT_USE,
                delay=self._algorithm.delay,
                name=f"{self._attached.prefix}plan",
                clock=self._attached.clock,
            )

    def settle(self) -> None:
        self._apply.settle()

    def finish(self) -> None:
        if self._fresh:
            return
        self._fresh = True
        self._apply.settle()
        unfinished = self._unfinished()
        while self._departed:
            due = self._departed.popleft()
            due.all_landed()
            if self._algorithm.drains:
                self._count(due)
                self._apply.step(None, due)
        self._apply.settle()
        if self._courier is not None:
            with self._stopwatch.waiting():
                if unfinished is not None:
                    unfinished.wait(range(len(self._sizes)))
                collectives.meet()

    def _unfinished(self) -> Flight[Cargo] | None:
        """A backward without its step: what has left cannot be called back, so the rest follows, and all is dropped."""
        flight = None
        if self._current is not None:
            flight = self._depart(ended=True).flight
            for parameter in self._parameters:
                parameter.grad = None
        self._departures.forget()
        return flight

    def evaluation(self) -> AbstractContextManager[None]:
        self._apply.settle()
        return nullcontext()

    def shared(self) -> tuple[tuple[str, torch.Tensor], ...]:
        return tuple(zip(self._attached.names, self._parameters, strict=True))

    def telemetry(self) -> Telemetry:
        return Telemetry(
            steps=self._steps,
            rounds=self._rounds,
            bytes_sent=self._bytes,
            exposed_seconds=self._stopwatch.waited,
            staleness={self._algorithm.delay: self._used},
            used=self._used,
            memory_declared=self._algorithm.memory(),
            memory_bytes=sum(departed.held_bytes() for departed in self._departed),
        )

    def watch(self, watcher: Watcher) -> bool:
        if self._courier is not None:
            self._courier.watch(watcher, (*self._attached.names, "header"))
        return True

    def state_dict(self) -> dict[str, Any]:
        self._apply.settle()
        return {"departed": [departed.state() for departed in self._departed]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._apply.settle()
        self._departed = deque(self._restored(saved) for saved in state["departed"])

    def _restored(self, saved: dict[str, Any]) -> Departed:
        def back(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
            return [torch.empty_like(p).copy_(tensor) for tensor, p in zip(tensors, self._parameters, strict=True)]

        return Departed(
            gradients=back(saved["gradients"]),
            header=Header(Fault.NONE, 1.0, saved["present"]),
            workers=self._attached.workers,
            weighted=False,
            flight=None,
            stopwatch=self._stopwatch,
            then=None if saved["then"] is None else back(saved["then"]),
        )

    def detach(self) -> None:
        self._departures.remove()
        self._apply.detach()
        if self._courier is not None:
            self._courier.close()
