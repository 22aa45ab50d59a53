"""A TensorFlow rank: joins the job, builds the Keras model, wraps the user's optimizer as the specification says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import horovod.tensorflow as hvd
import keras
import numpy as np
import tensorflow as tf

from algorithms.contract import Rounds
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.tensorflow import DistributedOptimizer, ElasticState, elastic
from suite.data import Batch
from suite.experiment.controls import Bare as BareControl
from suite.experiment.live import Live
from suite.models import keras_builder, replay_keras
from suite.rank.layer_spans import LayerSpans
from suite.rank.side import Built, Changing, Parts, Place
from suite.record.specification import Optimizer, Specification
from suite.training.bare_tensorflow import Bare
from suite.training.tensorflow_loop import TensorflowSession

# Sleeping layers and blocking collectives each hold a thread of this pool (see suite.models.replay_keras).
INTER_OP_THREADS = 4


def join(specification: Specification) -> Place:
    tf.config.threading.set_intra_op_parallelism_threads(specification.threads)
    tf.config.threading.set_inter_op_parallelism_threads(max(INTER_OP_THREADS, specification.threads))
    if specification.algorithm.name == BareControl.name:
        return Place(0, 1, 0, lambda mine: [mine])
    hvd.init()
    cards = tf.config.list_physical_devices("GPU")
    for card in cards:
        tf.config.experimental.set_memory_growth(card, True)
    if cards:
        visible = [cards[hvd.local_rank()]] if specification.device == "gpu" else []
        tf.config.set_visible_devices(visible, "GPU")
    return Place.of(hvd)


def build(live: Live, place: Place) -> Built:
    return _parts(live, place).build()


def changing(live: Live, place: Place) -> Changing:
    parts = _parts(live, place)
    return parts.changing(ElasticState(parts.model, parts.wrap, step=0), elastic.run, hvd)


def _parts(live: Live, place: Place) -> Parts:
    specification = live.specification
    if specification.device == "gpu" and not tf.config.list_physical_devices("GPU"):  # it would fall back to the CPU
        raise ValueError("device = gpu: this TensorFlow sees none (set-up installs its CPU build)")
    keras.utils.set_random_seed(specification.seed * 100_003 + place.rank)
    if live.profile is not None:
        model = replay_keras.build(live.profile)
        titles = [variable.path.replace("/", ".") for variable in model.trainable_variables]
        head_weights: Sequence[float] = (1.0,)
    else:
        model = keras_builder.build(live.net, specification.seed)
        described = {id(variable): name for name, (variable, _) in keras_builder.variables(live.net, model).items()}
        titles = [described[id(variable)] for variable in model.trainable_variables]
        head_weights = live.net.head_weights
    size = sum(int(np.prod(variable.shape)) * 4 for variable in model.trainable_variables)
    algorithm = live.algorithm
    constant = specification.optimizer.schedule.rule == "constant"

    def wrap() -> Any:
        inner = make_optimizer(specification.optimizer)
        if isinstance(algorithm, BareControl):
            return Bare(inner)
        return DistributedOptimizer(
            inner, algorithm, check_every=specification.agreement_every, wire=specification.form
        )

    def built(optimizer: Any) -> Built:
        session = _Session(
            model,
            optimizer,
            head_weights=head_weights,
            learning_rate=None if constant else live.learning_rate,
            steps_per_call=specification.steps_per_execution,
            barrier=tf.test.experimental.sync_devices if specification.device == "gpu" else lambda: None,
        )
        telemetry = Telemetry if isinstance(algorithm, BareControl) else optimizer.telemetry
        return Built(session, model, optimizer, telemetry, size, rounds=isinstance(algorithm, Rounds), titles=titles)

    return Parts(model, size, wrap, built)


class _Session(TensorflowSession):
    """Where several steps are unrolled, the first call takes them one by one and the wrapper plans from what it sees."""

    def steps(self, batches: Sequence[Batch], weights: Sequence[float] | None = None) -> list[float | None]:
        optimizer = self._optimizer
        if self.steps_taken or len(batches) == 1 or not isinstance(optimizer, DistributedOptimizer):
            return super().steps(batches, weights)
        losses: list[float | None] = []
        with optimizer.measuring():
            for number, batch in enumerate(batches):
                losses += super().steps([batch], None if weights is None else [weights[number]])
        return losses


def watch_layers(built: Built, spans: LayerSpans) -> None:
    """From TensorFlow's own profiler: a traced function has no hooks. It shows what travels inside one, too."""
    built.optimizer.watch(spans)
    spans.untold.append("waiting per layer: a traced step does not stand still as a whole; see the parts of a step")
    from suite.rank.tensorflow_spans import GraphProfile, Names

    wrapped = isinstance(built.optimizer, DistributedOptimizer)
    inner = built.optimizer.inner_optimizer if wrapped else built.optimizer.optimizer
    profile = GraphProfile(spans, Names(built.model.name, inner.name, built.rounds, built.titles))
    spans.when_started, spans.when_over = profile.begin, profile.end


def leave() -> None:
    """Nothing but Horovod, which leaves by itself when the process ends."""


def make_optimizer(chosen: Optimizer) -> keras.optimizers.Optimizer:
    """The user's optimizer, as Keras has it."""
    options: dict[str, Any] = dict(chosen.options)
    rate = chosen.learning_rate
    decay = chosen.weight_decay or None
    if chosen.name == "sgd":
        return keras.optimizers.SGD(
            rate, momentum=chosen.momentum, nesterov=chosen.nesterov, weight_decay=decay, **options
        )
    if chosen.name == "rmsprop":
        return keras.optimizers.RMSprop(rate, momentum=chosen.momentum, weight_decay=decay, **options)
    kind = keras.optimizers.Adam if chosen.name == "adam" else keras.optimizers.AdamW
    return kind(rate, weight_decay=decay, **options)
