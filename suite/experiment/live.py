"""A run, live: what the names of its specification stand for, each made when it is first asked for, and only once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from algorithms.contract import Rounds
from suite.cluster import stragglers
from suite.cluster.stragglers import Straggler
from suite.experiment import choices
from suite.models import Net
from suite.models.profile import Profile
from suite.record.specification import Specification
from suite.training import learning_rates
from suite.training.learning_rates import Rule


@dataclass(frozen=True)
class Live:
    """Whoever has to know what a run does asks this: the harness, each rank, the virtual cluster, predictions."""

    specification: Specification

    @cached_property
    def algorithm(self) -> Any:
        """An `algorithms.Algorithm`, or a control."""
        named = self.specification.algorithm
        return choices.make_algorithm(named.name, named.options)

    @property
    def waits_for(self) -> int:
        """How many workers a round waits for."""
        workers = self.specification.workers
        return self.algorithm.quorum(workers) if isinstance(self.algorithm, Rounds) else workers

    @cached_property
    def net(self) -> Net:
        """Of replayed compute the one that has its tensors."""
        return choices.net_of(self.specification.model)

    @cached_property
    def profile(self) -> Profile | None:
        """What is slept instead of computing."""
        replay = self.specification.model.replay
        return None if replay is None else choices.replayed_profile(replay)

    @cached_property
    def straggler(self) -> Straggler | None:
        text = self.specification.straggler
        return None if text is None else stragglers.parse(text)

    @cached_property
    def learning_rate(self) -> Rule:
        optimizer = self.specification.optimizer
        return learning_rates.parse(optimizer.schedule.rule, optimizer.learning_rate, optimizer.schedule.options)
