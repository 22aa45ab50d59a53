"""Algorithms whose gradients travel: each step's leave as a flight, land, and are applied, now or when they are due."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from algorithms.contract import Exchange, Finish, Moment
from algorithms.life import Pipeline
from algorithms.mechanisms import routes
from algorithms.mechanisms.elastic.life import wire_state
from algorithms.mechanisms.flights import Courier, Flight
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.mechanisms.weighing import Weighing
from algorithms.torch import collectives
from algorithms.torch.driver import Attached
from algorithms.torch.exchange import meeting, onlookers, travelling
from algorithms.torch.exchange.apply import applied
from algorithms.torch.exchange.departed import Departed
from algorithms.torch.exchange.departures import Departures
from algorithms.torch.exchange.header import Fault, Header, kind_of_header, length
from algorithms.torch.exchange.history import History, compare
from algorithms.torch.exchange.profile import STEPS, Stopwatch, freight, planned_route
from algorithms.torch.exchange.shown import Shown
from algorithms.torch.exchange.travelling import Travelling
from algorithms.torch.exchange.wire import Cargo, HorovodWire, declared_bytes, load
from algorithms.wire import NONE


class ExchangeDriver:
    """One engine for all of them: start -> in flight -> landed -> (shown, changed by the user) -> applied."""

    takes_scale = False  # an inf of one rank is in everybody's average, so that all scalers skip the step, or none

    def __init__(self, algorithm: Exchange, attached: Attached) -> None:
        self._algorithm = algorithm
        self._attached = attached
        self._parameters = attached.parameters
        self._sizes = [p.numel() * (2 if p.is_complex() else 1) for p in self._parameters]
        self._sizes.append(length(attached.workers, len(self._parameters)))
        form, header = attached.form, kind_of_header(self._parameters)
        self._freight = freight(form, self._parameters)
        self._kinds = [
            *((p.dtype, p.device) for p in self._parameters),
            header if form == NONE else ("header", *header),  # it travels as it is whatever the format
        ]
        self._wire = HorovodWire(form, attached.workers, attached.among)
        self._stopwatch = Stopwatch(len(self._sizes), attached.clock)
        self._courier: Courier[Cargo] | None = None
        if attached.workers > 1:
            self._courier = Courier(self._wire, attached.prefix, lanes=self._lanes())
            meeting.couriers.add(self._courier)
        self._planned = algorithm.start is Moment.GRADIENT_READY and attached.workers > 1
        self._route = (routes.first if self._planned else routes.whole)(self._sizes, self._freight)
        self._current: Flight[Cargo] | None = None
        self._departed: Pipeline[Departed] = Pipeline(algorithm)
        self._apply = applied(algorithm, attached, self._stopwatch)
        self._travelling = Travelling(self._asked)
        self._shown: tuple[Departed, Shown] | None = None
        self._history = History()
        self._hides_more = algorithm.delay > 0 or algorithm.finish is Finish.NEXT_USE  # than backward
        if attached.workers > 1:
            travelling.refuse_unfit(zip(attached.names, self._parameters, strict=True))
        self._weight_name = f"{attached.prefix}weight"
        self._weighing = Weighing(self._mean_weight, for_good=form.feeds_back)
        taken = {id(p) for p in self._parameters}
        self._departures = Departures(
            self._parameters,
            [p for group in attached.optimizer.param_groups for p in group["params"] if id(p) not in taken],
            passes=attached.passes,
            weighted=attached.weighted,
            weighing=self._weighing,
            form=form,
            at_once=algorithm.start is Moment.GRADIENT_READY and attached.workers > 1,
            alone=attached.workers == 1,
            flight=self._flight,
            begins=self._begins,
            ready=self._stopwatch.ready,
        )
        self._steps = 0
        self._rounds = 0
        self._used = 0
        self._fresh = True

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self._attached.optimizer

    def _lanes(self) -> int:
        """As many flights share the wire as are in flight, unless Horovod would forget the names between two uses."""
        if self._attached.form.feeds_back:
            return 1  # what an exchange leaves behind goes with the next one of the same tensor, so that one has to end
        pieces = len(routes.first(self._sizes, self._freight).order)
        remembered = 900  # of the 1024 names in Horovod's response cache, some of which others need
        return max(1, min(self._algorithm.delay + 1, remembered // pieces))

    def _flight(self) -> Flight[Cargo] | None:
        if self._current is None and self._courier is not None:
            self._current = self._courier.open(self._route)
        return self._current

    def weigh(self, samples: float) -> None:
        self._departures.weight = samples

    def _mean_weight(self, weight: float) -> float:
        return float(
            collectives.mean(torch.tensor([weight], dtype=torch.float64), self._weight_name, self._attached.among)
        )

    def zero_grad(self, set_to_none: bool) -> None:
        if self._departures.any_taken and self._attached.workers > 1:
            self.synchronize()  # what has left cannot be called back: all ranks throw the average away
        else:
            self._travelling.release()
            self._departures.forget_gradients()
        self._throw_away()
        self.optimizer.zero_grad(set_to_none)

    def attempt(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _begins(self) -> None:
        """The first gradient of a step is complete."""
        if self._attached.workers == 1:
            return
        self._fresh = False
        self._throw_away()
        self._apply.settle()  # of what the forward did not use: a parameter cannot wait and travel at once
        # Those without a gradient here, too: another rank may have one, and the average is everybody's.
        self._travelling.hold(self._parameters)

    def _asked(self, parameter: torch.Tensor) -> None:
        """Someone wants to see or to set a gradient that travels, or may."""
        if travelling.in_backward():
            if not self._departures.has_taken(parameter):
                return  # this rank's own, which has not left
            self._departures.fault = self._departures.fault or Fault.IN_BACKWARD
        elif self._hides_more:
            self._hides_more = False  # once is enough
            onlookers.warn(self._algorithm.name)
        self.synchronize()

    def synchronize(self) -> None:
        """Wait for this step's averages, and show them."""
        if self._shown is not None or self._attached.workers == 1:
            return
        self._fresh = False
        departed = self._depart()
        landed = departed.land(range(len(self._parameters)))
        for number, parameter in enumerate(self._parameters):
            parameter.grad = landed.get(number)
        self._shown = departed, Shown(self._parameters)

    def _throw_away(self) -> None:
        """What was shown will not be applied."""
        if self._shown is not None:
            self._shown = None
            self._history.add("thrown away")

    def step(self, *, overflowed: bool = False) -> None:
        self._fresh = False
        self._apply.settle()
        if self._shown is not None:
            landed, shown = self._shown
            departed, self._shown = landed.changed(shown.applied(self._history)), None
        else:
            departed = self._depart()
        if departed.header.fault and not self._algorithm.delay:
            departed.answer()
        due = self._departed.departs(departed)
        if due is not None:
            self._count(due)
            self._weighing.last = due.heard  # it has come on every rank before anybody's next gradient leaves
        self._apply.step(departed, due)
        self._steps += 1
        self._stopwatch.lap(self._steps - 1 in STEPS)
        if self._steps == STEPS.stop and self._planned:
            self._plan()

    def _depart(self, *, ended: bool = False, fault: Fault = Fault.NONE) -> Departed:
        """Backward has ended: what has not left leaves now. `ended`: so has training, and this is not a step."""
        weight = self._departures.weight
        self._travelling.release()
        closed = self._departures.close()
        header = Header(
            fault or closed.fault,
            1.0 if weight is None else weight,
            closed.present,
            here=not ended,
            history=self._history.word,
        )
        flight = self._flight()
        if flight is not None:
            dtype, _ = kind_of_header(self._parameters)
            self._stopwatch.ready(len(self._parameters))
            flight.give(len(self._parameters), load(header.encode(self._attached.rank, self._attached.workers, dtype)))
        departed = Departed(
            gradients=closed.gradients,
            header=header,
            workers=self._attached.workers,
            weighted=self._attached.weighted,
            flight=flight,
            stopwatch=self._stopwatch,
            unit=closed.unit,
            meet=self._meet,
            sequence=tuple(self._departures.sequence),
            homes=closed.homes,
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
                self._freight,
                self._stopwatch,
                by_need=self._algorithm.finish is Finish.NEXT_USE,
                delay=self._algorithm.delay,
                name=f"{self._attached.prefix}plan",
                among=self._attached.among,
                clock=self._attached.clock,
            )

    def settle(self) -> None:
        self._apply.settle()

    def finish(self) -> None:
        if self._fresh:
            return
        self._fresh = True
        self._apply.settle()
        self._throw_away()
        unfinished = self._unfinished()
        for due, wanted in self._departed.drains():
            due.all_landed()
            if wanted:
                self._count(due)
                self._apply.step(None, due)
        self._apply.settle()
        if self._courier is not None:
            with self._stopwatch.waiting():
                if unfinished is not None:
                    unfinished.wait(range(len(self._parameters)))
            self._meet(unfinished)

    def _meet(self, unfinished: Departed | None = None) -> None:
        """All ranks end here, those that learn in a step of theirs that others have finished, too."""
        with self._stopwatch.waiting():
            for departed in self._departed:
                departed.wait(range(len(self._parameters)))
            self._departed.restart()
            self._fresh = True
            if self._attached.with_all:
                meeting.meet()
            else:
                self._meet_in_set(unfinished)
            # The next step's header would have told.
            compare(self._history, f"{self._attached.prefix}history", self._attached.among)

    def _meet_in_set(self, ended: Departed | None) -> None:
        """Some ranks of a job cannot join. They exchange nothing until nobody's is a step, whose maker will have heard."""
        while ended is None or ended.said().here:
            ended = self._depart(ended=True)
            ended.wait(range(len(self._parameters)))

    def _unfinished(self) -> Departed | None:
        """A backward without its step: what has left cannot be called back, so the rest follows, and all is dropped."""
        departed = None
        if self._current is not None:
            departed = self._depart(ended=True)
            for parameter in self._parameters:
                parameter.grad = None
        self._travelling.release()
        self._departures.forget()
        return departed

    def evaluation(self) -> AbstractContextManager[None]:
        self._apply.settle()
        return nullcontext()

    def shared(self) -> tuple[tuple[str, torch.Tensor], ...]:
        return tuple(zip(self._attached.names, self._parameters, strict=True))

    def telemetry(self) -> Telemetry:
        return Telemetry(
            steps=self._steps,
            rounds=self._rounds,
            bytes_sent=self._wire.bytes_sent,
            bytes_per_exchange=declared_bytes(self._attached.form, self._parameters),
            exposed_seconds=self._stopwatch.waited,
            staleness={self._algorithm.delay: self._used},
            used=self._used,
            memory_declared=self._algorithm.memory() + self._attached.form.memory(),
            memory_bytes=sum(departed.held_bytes() for departed in self._departed) + self._wire.memories.bytes,
        )

    def watch(self, watcher: Watcher) -> bool:
        if self._courier is not None:
            self._courier.watch(watcher, (*self._attached.names, "header"))
        return True

    def state_dict(self) -> tuple[dict[str, Any], dict[str, Any]]:
        self._apply.settle()
        departed = [departed.state() for departed in self._departed]
        own = {"departed": departed, "wire": self._wire.memories.state_dict(self._attached.names)}
        return self.optimizer.state_dict(), own

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._apply.settle()
        self._departed.restart(self._restored(saved) for saved in state["departed"])
        if "wire" in state:
            self._wire.memories.load_state_dict(self._attached.names, state["wire"])

    def go_on(self, lead: dict[str, Any], own: dict[str, Any] | None) -> None:
        self.load_state_dict({**lead, "wire": wire_state(lead["wire"], own and own["wire"])})

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

    def detach(self, *, at_once: bool = False) -> None:
        self._departures.remove()
        self._apply.detach()
        if self._courier is not None:
            if at_once or self._fresh:
                self._courier.close()
            else:  # others may be in a step, which they learn that this rank will not make
                if self._attached.weighted and self._weighing.leaves():
                    collectives.answer(torch.zeros(1, dtype=torch.float64), self._weight_name, self._attached.among)
                self._depart(fault=Fault.LEFT)
                self._courier.retire()
        self._fresh = True
        self._travelling.release()
