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

from algorithms.contract.algorithm import Algorithm
from algorithms.contract.exchange import Exchange
from algorithms.contract.rounds import Centre, GradientRounds, Own, Rounds, Situation
from algorithms.contract.words import Array, Finish, Moment, Place, Reads, Reduction, Role

__all__ = [
    "Algorithm",
    "Array",
    "Centre",
    "Exchange",
    "Finish",
    "GradientRounds",
    "Moment",
    "Own",
    "Place",
    "Reads",
    "Reduction",
    "Role",
    "Rounds",
    "Situation",
]
