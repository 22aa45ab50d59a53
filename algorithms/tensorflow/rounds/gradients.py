"""Rounds of gradients: workers offer gradients, the user's optimizer moves the centre, workers take the centre."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from algorithms.contract import Own, Rounds
from algorithms.mechanisms.quorum.ballot import Terms, Verdict
from algorithms.mechanisms.quorum.part import Part, part_in
from algorithms.tensorflow.arrays import Array
from algorithms.tensorflow.driver import Attached
from algorithms.tensorflow.rounds.replica import Replica
from algorithms.tensorflow.rounds.wire import RoundsWire
from algorithms.tensorflow.update import update


class GradientWork:
    """What a worker's helper does in a round of gradients, and what its training thread does around it."""

    beside: tuple[Any, ...] = ()  # variables that are this worker's own beside its parameters

    def __init__(self, algorithm: Rounds, attached: Attached, variables: Sequence[Any]) -> None:
        optimizer = attached.optimizer
        self.algorithm, self.optimizer, self.rank, self.workers = algorithm, optimizer, attached.rank, attached.workers
        self.replica = Replica(algorithm, variables, attached.outer.add_variable_from_reference)
        self.centre = self.replica.kept["parameters"].variables
        for centre, variable in zip(self.centre, variables, strict=True):
            centre.constraint = variable.constraint
        # As the user names them, and Keras would ask: variables of the model, whose names are not those of the centre.
        decays = [optimizer._use_weight_decay(variable.value) for variable in variables]
        optimizer.exclude_from_weight_decay(
            var_list=[centre for centre, decay in zip(self.centre, decays, strict=True) if not decay]
        )
        optimizer.build(list(self.centre))
        self.whole = threading.Lock()  # held while the centre is between two rounds
        self.rounds = 0  # that the centre has seen
        self.present: tuple[int, ...] = ()  # parameters that have gradients
        self.gradients: Sequence[Array] = ()
        self.gradients_bytes = 0
        self.norm: float | None = None
        self.rate_step = -1  # of the worker whose learning rate is in force
        self.move = tf.function(self._move, autograph=False)

    def begin(self, parameters: Sequence[Array]) -> None:
        """Start from the model's parameters."""
        for number, x in enumerate(parameters):
            self.replica.put(number, self.algorithm.centre(x))

    # -- the training thread

    def capture(self, gradients: Sequence[Array], rate: float, weight: float) -> Terms:
        """Offer the gradients of this step, which nobody will write into."""
        self.gradients = gradients if weight else [np.zeros_like(gradient) for gradient in gradients]
        self.gradients_bytes = sum(gradient.nbytes for gradient in gradients)
        if self.algorithm.needs_norm:
            scale = self.optimizer.loss_scale_factor or 1.0  # the rule means the true gradient
            squares = sum(float(np.sum(np.square(g, dtype=np.float64))) for g in self.gradients)
            self.norm = float(np.sqrt(squares)) / scale
        return Terms(rate=rate, weight=weight)

    def forget(self) -> None:
        """Nothing is on offer any more."""
        self.gradients = ()

    def refresh(self) -> tuple[list[Array], int]:
        """The centre as the worker takes it, and how many rounds it has seen."""
        with self.whole:
            centres = [self.replica.at(number).parameters for number in range(len(self.centre))]
            return [self.algorithm.own(centre).parameters for centre in centres], self.rounds

    # -- the helper thread

    def carry(self, verdict: Verdict, wire: RoundsWire) -> list[Array]:
        """Add up the gradients taken, and let the optimizer move the centre, which is returned."""
        self._agree_on_rate(verdict)
        part = part_in(verdict, self.rank, workers=self.workers, rate=float(self.optimizer.learning_rate))
        sent = self._sent(part)
        if part.present:
            self.gradients = ()
        totals = wire.exchange(sent, present=part.weighs)
        del sent
        combined = [
            tf.constant(self.algorithm.combine(total, part.closing))
            for number, total in enumerate(totals)
            if number in self.present
        ]
        with self.whole:
            if any(term.weight for term in verdict.terms):  # else nobody had a sample
                self.move(combined)
            self.rounds = verdict.round + 1
            for number in range(len(self.centre)):
                self.replica.grow_average(number, self.rounds)
        return [self.replica.at(number).parameters for number in range(len(self.centre))]

    def _sent(self, part: Part) -> list[tf.Tensor]:
        sent: dict[int, tf.Tensor] = {}
        if part.weighs:
            for number, gradient in zip(self.present, self.gradients, strict=True):
                own = Own(parameters=None, gradient=gradient, gradient_norm=self.norm)
                offer = self.algorithm.offer(own, self.replica.at(number), part.offering)
                sent[number] = tf.constant(offer if part.share == 1.0 else offer * gradient.dtype.type(part.share))
        nothing = (number for number in range(len(self.centre)) if number not in sent)
        sent |= {number: tf.zeros(self.centre[number].shape, self.centre[number].dtype) for number in nothing}
        return [sent[number] for number in range(len(self.centre))]

    def _move(self, gradients: list[tf.Tensor]) -> None:
        by_number = dict(zip(self.present, gradients, strict=True))
        update(self.optimizer, [by_number.get(number) for number in range(len(self.centre))], list(self.centre))

    def _agree_on_rate(self, verdict: Verdict) -> None:
        """Step with the learning rate of the contributor that has come furthest, unless a schedule has it."""
        leader = verdict.leader
        if verdict.taken[leader].step >= self.rate_step:
            self.rate_step = verdict.taken[leader].step
            if settable(self.optimizer):
                self.optimizer.learning_rate = verdict.terms[leader].rate

    @property
    def bytes(self) -> int:
        """With the gradient that is on offer during a round."""
        return self.replica.bytes + self.gradients_bytes


def settable(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether the learning rate is a number that users set, and not a schedule of the optimizer's own."""
    return isinstance(optimizer._learning_rate, keras.Variable)
