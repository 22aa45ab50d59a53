"""Algorithms whose gradients travel: each step's leave as a flight, land, and are applied, now or when they are due."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from algorithms.contract import Exchange, Finish
from algorithms.life import Pipeline
from algorithms.mechanisms.elastic.life import wire_state
from algorithms.mechanisms.occasions import Occasions
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.torch.driver import Attached
from algorithms.torch.exchange import meeting, onlookers, travelling
from algorithms.torch.exchange.apply import applied
from algorithms.torch.exchange.departed import Departed
from algorithms.torch.exchange.gate import Gate
from algorithms.torch.exchange.header import Fault
from algorithms.torch.exchange.history import History, compare
from algorithms.torch.exchange.profile import Stopwatch
from algorithms.torch.exchange.shown import Shown
from algorithms.torch.exchange.travelling import Travelling
from algorithms.torch.exchange.wire import declared_bytes


class ExchangeDriver:
    """One engine for all of them: start -> in flight -> landed -> (shown, changed by the user) -> applied."""

    takes_scale = False  # an inf of one rank is in everybody's average, so that all scalers skip the step, or none

    def __init__(self, algorithm: Exchange, attached: Attached) -> None:
        self._algorithm = algorithm
        self._attached = attached
        self._parameters = attached.parameters
        if attached.workers > 1:
            travelling.refuse_unfit(zip(attached.names, self._parameters, strict=True))
        self._stopwatch = Stopwatch(len(self._parameters) + 1, attached.clock)
        self._gate = Gate(algorithm, attached, self._stopwatch, self._begins)
        self._departures = self._gate.departures
        self._departed: Pipeline[Departed] = Pipeline(algorithm)
        self._apply = applied(algorithm, attached, self._stopwatch)
        self._travelling = Travelling(self._asked)
        self._occasions = Occasions()
        self._shown: tuple[Departed, Shown] | None = None
        self._history = History()
        self._bytes = declared_bytes(attached.form, self._parameters)
        self._hides_more = algorithm.delay > 0 or algorithm.finish is Finish.NEXT_USE  # than backward
        self._steps = 0
        self._rounds = 0
        self._used = 0
        self._begun = False  # a step, since all ranks met: others may be in it
        self._met = False  # all ranks, and nothing has come since that `finish` would have to do

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self._attached.optimizer

    def weigh(self, samples: float) -> None:
        self._departures.weight = samples

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
        self._goes_on()
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
        self._goes_on()
        departed = self._depart()
        landed = departed.land(range(len(self._parameters)))
        for number, parameter in enumerate(self._parameters):
            parameter.grad = landed.get(number)
        self._shown = departed, Shown(self._parameters)

    def _throw_away(self) -> None:
        """What was shown will not be applied."""
        if self._shown is not None:
            self._shown[0].take_back()
            self._shown = None
            self._history.add("thrown away")

    def _goes_on(self) -> None:
        self._begun, self._met = True, False

    def step(self, *, overflowed: bool = False) -> None:
        self._goes_on()
        self._apply.settle()
        if self._shown is not None:
            landed, shown = self._shown
            departed, self._shown = landed.changed(shown.applied(self._history)), None
        else:
            departed = self._depart()
        if departed.header.fault and not self._algorithm.delay:
            departed.answer()
        if self._algorithm.drains:  # else it may be dropped at the end
            departed.sure()
        due = self._departed.departs(departed)
        present = self._gate.weighing.last.present  # of the step before: of this one's nothing may have landed
        if due is not None:
            self._count(due)
            self._gate.weighing.last = due.heard  # it has come on every rank before anybody's next gradient leaves
        self._apply.step(departed, due)
        self._steps += 1
        self._stopwatch.lap(self._occasions.measures(self._steps - 1))
        if self._occasions.plans(self._steps, present) and self._gate.at_once:
            self._apply.settle()
            self._gate.plan(self._departed)

    def _depart(self, *, ended: bool = False, fault: Fault = Fault.NONE) -> Departed:
        """Backward has ended: what has not left leaves now. `ended`: so has training, and this is not a step."""
        self._travelling.release()
        return self._gate.depart(history=self._history.word, meet=self._meet, ended=ended, fault=fault)

    def _count(self, due: Departed) -> None:
        self._rounds += 1
        self._used += due.header.weight > 0

    def settle(self) -> None:
        self._apply.settle()

    def finish(self) -> None:
        if self._met:
            return
        self._begun, self._met = False, True
        self._apply.settle()
        self._throw_away()
        unfinished = self._unfinished()
        for due, wanted in self._departed.drains():
            due.all_landed()
            if wanted:
                self._count(due)
                self._apply.step(None, due)
            else:
                due.take_back()
        self._apply.settle()
        if self._gate.courier is not None:
            with self._stopwatch.waiting():
                if unfinished is not None:
                    unfinished.take_back()
            self._meet(unfinished)

    def _meet(self, unfinished: Departed | None = None) -> None:
        """All ranks end here, those that learn in a step of theirs that others have finished, too."""
        with self._stopwatch.waiting():
            for departed in self._departed:
                departed.wait(range(len(self._parameters)))
            self._departed.restart()
            self._begun, self._met = False, True
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
            ended.take_back()

    def _unfinished(self) -> Departed | None:
        """A backward without its step: what has left cannot be called back, so the rest follows, and all is dropped."""
        departed = None
        if self._gate.open:
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
            bytes_sent=self._gate.wire.bytes_sent,
            bytes_per_exchange=self._bytes,
            exposed_seconds=self._stopwatch.waited,
            staleness={self._algorithm.delay: self._used},
            used=self._used,
            memory_declared=self._algorithm.memory() + self._attached.form.memory(),
            memory_bytes=sum(departed.held_bytes() for departed in self._departed) + self._gate.wire.memories.bytes,
        )

    def watch(self, watcher: Watcher) -> bool:
        if self._gate.courier is not None:
            self._gate.courier.watch(watcher, (*self._attached.names, "header"))
        return True

    def state_dict(self) -> tuple[dict[str, Any], dict[str, Any]]:
        self._apply.settle()
        departed = [departed.state() for departed in self._departed]
        own = {"departed": departed, "wire": self._gate.wire.memories.state_dict(self._attached.names)}
        return self.optimizer.state_dict(), own

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._apply.settle()
        self._throw_away()
        if self._attached.form.feeds_back:
            for departed in self._departed:
                departed.wait(range(len(self._parameters)))  # or it would write into what is loaded here
        workers, stopwatch = self._attached.workers, self._stopwatch
        self._departed.restart(
            Departed.restored(saved, self._parameters, workers, stopwatch) for saved in state["departed"]
        )
        self._met = self._met and not state["departed"]  # which `finish` applies
        if "wire" in state:
            self._gate.wire.memories.load_state_dict(self._attached.names, state["wire"])

    def go_on(self, lead: dict[str, Any], own: dict[str, Any] | None) -> None:
        self.load_state_dict({**lead, "wire": wire_state(lead["wire"], own and own["wire"])})

    def detach(self, *, at_once: bool = False) -> None:
        self._departures.remove()
        self._apply.detach()
        courier = self._gate.courier
        if courier is not None:
            if at_once or not self._begun:
                courier.close()
            else:  # others may be in a step, which they learn that this rank will not make
                self._gate.answer_for_weight()
                self._depart(fault=Fault.LEFT)
                courier.retire()
        self._begun = False
        self._travelling.release()
