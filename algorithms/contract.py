"""What an algorithm is: the events it answers, the answers it may give, and nothing about how they are carried out.

Every algorithm is one of two kinds. In an `Exchange` each worker's *gradient* travels, every step, and everybody applies
the same average. In `Rounds` workers keep *copies of their own* and meet around a shared *centre*, some or all of them,
every step or every few. A driver (`algorithms.virtual`, `algorithms.torch`, `algorithms.tensorflow`) runs this loop, as
`algorithms.life` says; what stands in capitals is an event, and beside it the attributes and methods that answer it:

    begin                                     check(workers)   centre(x), own(x)   # Rounds: what is kept beside x
    for step in 0, 1, 2, ...:
        STEP BEGINS                           departs == STEP_BEGINS and meets(step): the worker's copy is offered
        forward:  for layer in layers:
            LAYER NEEDED                      finish == NEXT_USE: wait for the layer's average, apply the optimizer to it
        backward: for layer in reversed(layers):
            GRADIENT READY                    start == GRADIENT_READY: its exchange starts
        BACKWARD ENDED                        start == BACKWARD_ENDED: all exchanges start
                                              finish != NEXT_USE: wait for the average of step - delay; correct(...); apply
                                              departs == BACKWARD_ENDED: the worker's gradient is offered
        LOCAL STEP                            optimizer_at == WORKER: x' = optimizer(x, g); own = local(own, x')
        STEP ENDED                            departs == STEP_ENDED and meets(step): the worker's copy is offered
    whenever enough workers have offered (quorum(workers)):
        ROUND BEGINS                          accept(staleness) or dropped; contribution = offer(own, centre, situation)
        ROUND CLOSED                          centre = close(centre, total, situation), or
                                              optimizer_at == CENTRE: optimizer applied to the centre with combine(total)
                                              averaged(...): what evaluation looks at
                                              own = adopt(...), or adopt_late(...) where it has gone on meanwhile
        IN VAIN                               gives_up: a worker that computes what would be dropped begins anew

*When* is a pure function of the step number (`meets`, `delay`, `mechanisms.schedules`); *in which order on the wire* is a
plan (`mechanisms.plan`); *what is combined how* is the algorithm. Its methods use plain array operators only, so that
NumPy, torch and TensorFlow share them; they must hold element by element, because drivers may apply them to pieces.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Flag, StrEnum, auto
from typing import Any, ClassVar

from algorithms.mechanisms.averages import moving
from algorithms.mechanisms.validation import optional_real

Array = Any  # whatever has + - * / element by element: numpy.ndarray, torch.Tensor, tensorflow.Tensor


class Moment(StrEnum):
    """A place in the training loop above."""

    STEP_BEGINS = "step begins"
    GRADIENT_READY = "gradient ready"
    BACKWARD_ENDED = "backward ended"
    STEP_ENDED = "step ended"


class Finish(StrEnum):
    """When and in which order a worker waits for averages and applies the optimizer."""

    TOGETHER = "together"  # all parameters at once, after backward
    BACKWARD = "backward"  # layer by layer after backward, in the order in which backward produced them
    COMPLETION = "completion"  # layer by layer after backward, whichever average has landed
    NEXT_USE = "next use"  # each layer right before the next forward uses it


class Place(StrEnum):
    """Whose parameters the user's optimizer moves."""

    WORKER = "worker"
    CENTRE = "centre"


class Reduction(StrEnum):
    """How contributions become one array."""

    SUM = "sum"
    MEAN = "mean"
    ADASUM = "adasum"


class Role(StrEnum):
    """What an algorithm is there for, where several are compared."""

    CEILING = "ceiling"  # what none can be faster than; its model means nothing
    CONTROL = "control"  # the plain tool, untouched
    REFERENCE = "reference"  # what speed-ups are measured against
    ALGORITHM = "algorithm"


class Reads(Flag):
    """What a rule looks at. A driver hands it as it is, or refuses the algorithm when it is attached."""

    NOTHING = 0
    BEFORE = auto()  # own.parameters as they were before the worker's optimizer moved them
    CENTRE = auto()
    ROUND = auto()  # situation.round
    RATE = auto()  # situation.learning_rate


class Algorithm(ABC):
    """Frozen hyper-parameters plus the answers to the events of the loop above."""

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


class Exchange(Algorithm):
    """Gradients travel each step and every worker applies the same average: replicas stay equal (`reduces`)."""

    reduces: ClassVar[bool] = True

    @property
    def start(self) -> Moment:
        """GRADIENT_READY or BACKWARD_ENDED."""
        return Moment.GRADIENT_READY

    @property
    def finish(self) -> Finish:
        """How averages are waited for and applied."""
        return Finish.TOGETHER

    @property
    def delay(self) -> int:
        """Steps between a gradient's departure and its application."""
        return 0

    @property
    def drains(self) -> bool:
        """Whether averages still in flight when training finishes are applied; else they are dropped."""
        return True

    @property
    def compares_parameters(self) -> bool:
        """Whether `correct` looks at the parameters that a delayed gradient was taken at, so that they must be kept."""
        return False

    @property
    def silent(self) -> bool:
        return not self.reduces

    @property
    def hides(self) -> bool:
        return self.start is Moment.GRADIENT_READY or self.finish is Finish.NEXT_USE or self.delay > 0

    def correct(self, gradient: Array, now: Array, then: Array) -> Array:
        """The gradient to apply: the average as it is, unless the algorithm mends what the delay did to it."""
        return gradient

    def memory(self) -> float:
        return 0


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
