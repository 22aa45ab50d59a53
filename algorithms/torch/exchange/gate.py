"""Where a worker's gradients leave: over which wire, cut how, in which order, weighed by what."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from algorithms.contract import Exchange, Finish, Moment
from algorithms.mechanisms import routes
from algorithms.mechanisms.flights import Courier, Flight
from algorithms.mechanisms.weighing import Weighing
from algorithms.torch import collectives
from algorithms.torch.driver import Attached
from algorithms.torch.exchange import meeting
from algorithms.torch.exchange.departed import Departed
from algorithms.torch.exchange.departures import Departures
from algorithms.torch.exchange.header import Fault, Header, kind_of_header, length
from algorithms.torch.exchange.profile import Stopwatch, freight, planned_route
from algorithms.torch.exchange.wire import Cargo, HorovodWire, load
from algorithms.wire import NONE

REMEMBERED = 900  # of the 1024 names in Horovod's response cache, some of which others need


class Gate:
    """Collects the gradients of a step and lets them leave as one flight, alone or while backward goes on."""

    def __init__(
        self, algorithm: Exchange, attached: Attached, stopwatch: Stopwatch, begins: Callable[[], None]
    ) -> None:
        """`begins` is called when the first gradient of a step is complete."""
        parameters, form, alone = attached.parameters, attached.form, attached.workers == 1
        self._algorithm, self._attached, self._stopwatch = algorithm, attached, stopwatch
        self._sizes = [p.numel() * (2 if p.is_complex() else 1) for p in parameters]
        self._sizes.append(length(attached.workers, len(parameters)))
        self._freight = freight(form, parameters)
        header = kind_of_header(parameters)
        self._kinds = [
            *((p.dtype, p.device) for p in parameters),
            header if form == NONE else ("header", *header),  # it travels as it is whatever the format
        ]
        self.wire = HorovodWire(form, attached.workers, attached.among)
        self.courier: Courier[Cargo] | None = None
        if not alone:
            self.courier = Courier(self.wire, attached.prefix, lanes=self._lanes())
            meeting.couriers.add(self.courier)
        self.at_once = algorithm.start is Moment.GRADIENT_READY and not alone  # rather than when backward has ended
        self._route = (routes.first if self.at_once else routes.whole)(self._sizes, self._freight)
        self._current: Flight[Cargo] | None = None
        self._weight_name = f"{attached.prefix}weight"
        self.weighing = Weighing(self._mean_weight, for_good=form.feeds_back)
        taken = {id(p) for p in parameters}
        self.departures = Departures(
            parameters,
            [p for group in attached.optimizer.param_groups for p in group["params"] if id(p) not in taken],
            passes=attached.passes,
            weighted=attached.weighted,
            weighing=self.weighing,
            at_once=self.at_once,
            alone=alone,
            give=self._give,
            begins=begins,
            ready=stopwatch.ready,
        )

    def _lanes(self) -> int:
        """As many flights share the wire as are in flight, unless Horovod would forget the names between two uses."""
        if self._attached.form.feeds_back:
            return 1  # what an exchange leaves behind goes with the next one of the same tensor, so that one has to end
        pieces = len(routes.first(self._sizes, self._freight).order)
        return max(1, min(self._algorithm.delay + 1, REMEMBERED // pieces))

    def _flight(self) -> Flight[Cargo] | None:
        if self._current is None and self.courier is not None:
            self._current = self.courier.open(self._route)
        return self._current

    def _give(self, number: int, gradient: torch.Tensor) -> None:
        flight = self._flight()
        if flight is not None:
            flight.give(number, load(gradient, self._attached.form, self.wire.memories.claim(number)))

    def _mean_weight(self, weight: float) -> float:
        mine = torch.tensor([weight], dtype=torch.float64)
        return float(collectives.mean(mine, self._weight_name, self._attached.among))

    @property
    def open(self) -> bool:
        """Whether something of a step that has not ended has left."""
        return self._current is not None

    def depart(self, *, history: int, meet: Callable[[], None], ended: bool, fault: Fault) -> Departed:
        """Backward has ended: what has not left leaves now. `ended`: so has training, and this is not a step."""
        attached, weight = self._attached, self.departures.weight
        closed = self.departures.close()
        header = Header(
            fault or closed.fault, 1.0 if weight is None else weight, closed.present, here=not ended, history=history
        )
        flight = self._flight()
        if flight is not None:
            number = len(attached.parameters)
            dtype, _ = kind_of_header(attached.parameters)
            self._stopwatch.ready(number)
            flight.give(number, load(header.encode(attached.rank, attached.workers, dtype)))
        departed = Departed(
            gradients=closed.gradients,
            header=header,
            workers=attached.workers,
            weighted=attached.weighted,
            flight=flight,
            stopwatch=self._stopwatch,
            unit=closed.unit,
            meet=meet,
            sequence=tuple(self.departures.sequence),
            homes=closed.homes,
        )
        if flight is not None and attached.form.feeds_back:
            departed.memories = self.wire.memories
            departed.undos = [flight.cargo(number).undo for number in range(len(attached.parameters))]
        self.departures.forget()
        self._current = None
        return departed

    def plan(self, under_way: Iterable[Departed]) -> None:
        """The first steps have shown when things are ready and needed: agree on a route."""
        with self._stopwatch.waiting():
            for departed in under_way:
                departed.all_landed()
            self._route = planned_route(
                self._sizes,
                self._kinds,
                self._freight,
                self._stopwatch,
                by_need=self._algorithm.finish is Finish.NEXT_USE,
                delay=self._algorithm.delay,
                name=f"{self._attached.prefix}plan",
                among=self._attached.among,
                device=max(self._attached.parameters, key=torch.Tensor.numel).device,
                clock=self._attached.clock,
            )

    def answer_for_weight(self) -> None:
        """Others may be about to ask for this step's weight, which this rank will not make."""
        if self._attached.weighted and self.weighing.leaves():
            collectives.answer(torch.zeros(1, dtype=torch.float64), self._weight_name, self._attached.among)
