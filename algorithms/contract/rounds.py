"""Algorithms whose workers keep copies of their own and meet at a centre."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from algorithms.contract.algorithm import Algorithm
from algorithms.contract.words import Array, Moment, Place, Reads, Reduction
from algorithms.mechanisms.averages import moving
from algorithms.mechanisms.validation import optional_real


@dataclass(frozen=True, kw_only=True)
class Own:
    """What one worker holds of its own."""

    parameters: Array  # where its next gradient is taken
    gradient: Array = None  # this step's gradient, where gradients are offered
    gradient_norm: float | None = None  # of all of `gradient`, where `needs_norm`
    anchor: Array = None  # a point of the past that the algorithm measures from
    multiplier: Array = None  # ADMM's dual variable


@dataclass(frozen=True, kw_only=True)
class Centre:
    """What all workers share, replicated on each. None: not kept."""

    parameters: Array = None
    velocity: Array = None
    average: Array = None


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a rule may know of the round that it is asked about."""

    workers: int
    round: int  # rounds closed before this one
    contributions: int = 1
    staleness: int = 0  # rounds closed since the worker read the centre (for `offer`)
    learning_rate: float = 0.0


class Rounds(Algorithm):
    """Workers hold copies of their own and meet at a centre."""

    optimizer_at: ClassVar[Place] = Place.WORKER
    reduction: ClassVar[Reduction] = Reduction.SUM
    offers_parameters: ClassVar[bool] = False  # what travels are parameters, not changes of them
    tagged: ClassVar[bool] = False  # a worker's step number is the round's: late ones skip what was done without them

    @property
    def departs(self) -> Moment:
        """STEP_BEGINS, BACKWARD_ENDED or STEP_ENDED."""
        return Moment.BACKWARD_ENDED if self.optimizer_at is Place.CENTRE else Moment.STEP_ENDED

    @abstractmethod
    def quorum(self, workers: int) -> int:
        """How many offers begin a round. All workers: nobody needs a vote."""

    def limit(self, workers: int) -> int:
        """The most contributions one round takes; offers beyond it stay, or are dropped where `accept` says so."""
        return workers

    def meets(self, step: int) -> bool:
        """Whether a worker offers at this step of its own."""
        return True

    @property
    def overlap(self) -> int:
        """Local steps that a worker takes before it adopts the result of a round."""
        return 0

    @property
    def waits(self) -> bool:
        """Whether a worker that has offered goes on only when its round has closed; else it reads the centre at once."""
        return True

    @property
    def hides(self) -> bool:
        return self.overlap > 0 or not self.waits

    @property
    def adopts_late(self) -> bool:
        """Whether a worker has gone on by the time it adopts what came of its offer."""
        return self.overlap > 0 or self.departs is Moment.STEP_BEGINS

    @property
    def gives_up(self) -> bool:
        """Whether a worker stops computing what could only be dropped. Only where gradients are offered and `waits`."""
        return False

    @property
    def needs_norm(self) -> bool:
        """Whether `offer` looks at `own.gradient_norm`."""
        return False

    @property
    def local_reads(self) -> Reads | None:
        """What `local` looks at beside `moved` and `own.anchor`. None: nothing follows from a local step."""
        return None

    @property
    def offers_itself(self) -> bool:
        """Whether `offer` is `own.parameters` as they are, so that who holds the one holds the other."""
        return False

    @property
    def late_reads_offered(self) -> bool:
        """Whether `adopt_late` looks at what the worker held when it offered, so that it must be kept."""
        return True

    def accept(self, staleness: int) -> bool:
        """Whether an offer that is this many rounds old still counts."""
        return True

    def own(self, x: Array) -> Own:
        """What a worker holds at the start."""
        return Own(parameters=x)

    def centre(self, x: Array) -> Centre:
        """What is shared at the start."""
        return Centre(parameters=x)

    def local(self, own: Own, moved: Array, centre: Centre, situation: Situation) -> Own:
        """The worker's state after its optimizer has moved its parameters."""
        return Own(parameters=moved, anchor=own.anchor)

    @abstractmethod
    def offer(self, own: Own, centre: Centre, situation: Situation) -> Array:
        """What travels."""

    def combine(self, total: Array, situation: Situation) -> Array:
        """optimizer_at == CENTRE: the gradient that the optimizer applies to the centre."""
        raise TypeError(f"{self.name} has no optimizer at the centre")

    def close(self, centre: Centre, total: Array, situation: Situation) -> Centre:
        """optimizer_at == WORKER: the centre after the round."""
        raise TypeError(f"{self.name} has its optimizer at the centre")

    def averaged(self, average: Array, parameters: Array, rounds: int) -> Array:
        """The average of the centre after its `rounds`-th round, where one is kept (`centre(x).average`)."""
        return average

    def adopt(self, own: Own, contribution: Array, centre: Centre) -> Own:
        """The worker's state when a round that it contributed to has closed: by default it takes the centre."""
        return self.own(centre.parameters)

    def adopt_late(self, own: Own, offered: Own, contribution: Array, centre: Centre) -> Own:
        """The same for a worker that has gone on since it offered: what it has done meanwhile is kept."""
        then = self.adopt(offered, contribution, centre)
        anchor = None if own.anchor is None else own.anchor + (then.anchor - offered.anchor)
        return Own(parameters=own.parameters + (then.parameters - offered.parameters), anchor=anchor)


@dataclass(frozen=True, kw_only=True)
class GradientRounds(Rounds):
    """Rounds of gradients: the user's optimizer stands at the centre and workers take the centre as it is."""

    optimizer_at: ClassVar[Place] = Place.CENTRE

    averaging: float | None = None  # the moving average of the centre that evaluation uses keeps this much of its past

    def __post_init__(self) -> None:
        optional_real("averaging", self.averaging, 0, 1)

    def centre(self, x: Array) -> Centre:
        return Centre(parameters=x, average=None if self.averaging is None else x)

    def offer(self, own: Own, centre: Centre, situation: Situation) -> Array:
        return own.gradient

    def averaged(self, average: Array, parameters: Array, rounds: int) -> Array:
        return average if self.averaging is None else moving(average, parameters, self.averaging)

    def memory(self) -> float:
        """The centre's replica and the gradient on offer; the average where there is one."""
        return 2 if self.averaging is None else 3
