"""Mistakes in TensorFlow: every rank is told what to change, and none is left waiting."""

from __future__ import annotations

import re
from collections.abc import Callable

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

import algorithms
from algorithms.tensorflow import DistributedOptimizer, RanksDisagree, TrainingCallback, agreement
from algorithms.tensorflow.rounds import wire as rounds_wire

pytestmark = pytest.mark.ranks(2)

X, Y = np.zeros((8, 3), np.float32), np.zeros((8, 1), np.float32)


@pytest.fixture(autouse=True)
def _horovod(ranks: int) -> None:
    tf.get_logger().setLevel("ERROR")
    hvd.init()


def sgd() -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(0.1)


def net() -> keras.Model:
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])


# -- when wrapping


def wrap_a_built_one() -> None:
    inner = sgd()
    inner.build([keras.Variable(0.0)])
    DistributedOptimizer(inner, algorithms.Synchronous())


def wrap_scaled_at_the_centre() -> None:
    inner = keras.optimizers.LossScaleOptimizer(sgd())
    DistributedOptimizer(inner, algorithms.Asynchronous()).build([keras.Variable(0.0)])


WRAPPING: list[tuple[Callable[[], object], str]] = [
    (wrap_a_built_one, "is built already: wrap it before its first use"),
    (wrap_scaled_at_the_centre, "use loss_scale_factor"),
    (lambda: DistributedOptimizer("sgd", algorithms.Synchronous()), "optimizer='sgd': must be a Keras 3 optimizer"),
    (lambda: DistributedOptimizer(sgd(), "synchronous"), "algorithm='synchronous': must be one of"),
    (lambda: DistributedOptimizer(sgd(), algorithms.Synchronous), "must be one of algorithms.CATALOGUE, as an object"),
    (lambda: DistributedOptimizer(sgd(), algorithms.ADMM()), "runs in algorithms.virtual only"),
    (lambda: DistributedOptimizer(sgd(), algorithms.Adasum()), "this job reduces with Gloo, which has no Adasum"),
    (lambda: DistributedOptimizer(sgd(), algorithms.BackupWorkers(spares=2)), "spares=2: must be in [0, 1]"),
    (
        lambda: DistributedOptimizer(sgd(), algorithms.BackupWorkers(give_up=True)),
        "give_up=True: must be False in TensorFlow, whose traced step runs to its end",
    ),
    (
        lambda: DistributedOptimizer(DistributedOptimizer(sgd(), algorithms.Synchronous()), algorithms.Synchronous()),
        "wrap once",
    ),
]


@pytest.mark.parametrize(("wrap", "message"), WRAPPING, ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_be_wrapped(wrap: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        wrap()


# -- when training


def step(wrapped: DistributedOptimizer, held: list[keras.Variable]) -> None:
    tf.function(lambda: wrapped.apply([tf.ones(variable.shape) for variable in held], held))()


@pytest.mark.parametrize("callbacks", [[], [TrainingCallback()]], ids=["without", "with"])
def test_compiled_with_xla(callbacks: list[keras.callbacks.Callback]) -> None:
    model = net()
    model.compile(optimizer=DistributedOptimizer(sgd(), algorithms.Synchronous()), loss="mse", jit_compile=True)
    with pytest.raises(ValueError, match=r"jit_compile=True: .* compile with jit_compile=False"):
        model.fit(X, Y, verbose=0, callbacks=callbacks)


def test_a_loop_compiled_with_xla() -> None:
    for algorithm in (algorithms.Synchronous(), algorithms.LocalSGD()):
        held = [keras.Variable(0.0)]
        wrapped = DistributedOptimizer(sgd(), algorithm)
        with pytest.raises(ValueError, match="jit_compile=True"):
            tf.function(lambda wrapped=wrapped, held=held: wrapped.apply([tf.ones(())], held), jit_compile=True)()


def test_variables_made_after_wrapping() -> None:
    first, second = keras.Variable(0.0, name="first"), keras.Variable(0.0, name="second")
    for algorithm in (algorithms.Synchronous(), algorithms.LocalSGD()):
        wrapped = DistributedOptimizer(sgd(), algorithm)
        wrapped.build([first])
        with pytest.raises(ValueError, match=r"after the optimizer was built: second\. Create all"):
            step(wrapped, [first, second])


def test_gradients_that_do_not_fit() -> None:
    held = [keras.Variable(0.0), keras.Variable(0.0)]
    wrapped = DistributedOptimizer(sgd(), algorithms.Synchronous())
    with pytest.raises(ValueError, match="needs an optimizer that is built"):
        wrapped.apply([tf.ones(())])
    with pytest.raises(ValueError, match="1 gradients for 2 variables"):
        tf.function(lambda: wrapped.apply([tf.ones(())], held))()
    with pytest.raises(ValueError, match="No variable has a gradient"):
        tf.function(lambda: wrapped.apply([None, None], held))()


def test_gradients_that_come_and_go_under_a_delay() -> None:
    held = [keras.Variable(0.0), keras.Variable(0.0)]
    wrapped = DistributedOptimizer(sgd(), algorithms.Delayed(steps=1))
    tf.function(lambda: wrapped.apply([tf.ones(()), None], held))()
    with pytest.raises(ValueError, match="the same variables must have gradients in every step"):
        tf.function(lambda: wrapped.apply([tf.ones(()), tf.ones(())], held))()


def test_without_eager_execution_around() -> None:
    held = [keras.Variable(0.0)]
    wrapped = DistributedOptimizer(sgd(), algorithms.Synchronous())
    wrapped.build(held)
    with tf.Graph().as_default(), pytest.raises(RuntimeError, match=r"needs eager execution around tf\.function"):
        wrapped.apply([tf.ones(())], held)


def test_ranks_that_wrap_something_else(rank: int) -> None:
    mine = (algorithms.Synchronous(), algorithms.Synchronous(overlap=True))[rank]
    wrapped = DistributedOptimizer(sgd(), mine)
    held = [keras.Variable(0.0)]
    with pytest.raises(ValueError, match=r"Ranks \[1\] wrapped another optimizer, algorithm"):
        tf.function(lambda: wrapped.apply([tf.ones(())], held))()


@pytest.mark.parametrize("algorithm", [algorithms.LayerWise(), algorithms.BackupWorkers(spares=0)], ids=str)
@pytest.mark.parametrize("started", [False, True], ids=["", "started"])
def test_ranks_with_gradients_for_other_variables(algorithm: algorithms.Algorithm, started: bool, rank: int) -> None:
    held = pair()
    wrapped = DistributedOptimizer(sgd(), algorithm)
    if started:
        wrapped.start(held)
    with pytest.raises(
        ValueError, match=rf"Ranks \[1\] have gradients for other .*: {('bias, kernel', 'bias')[rank]}\."
    ):
        tf.function(lambda: wrapped.apply([tf.ones(3), None if rank else tf.ones(3)], held))()


def test_ranks_that_share_other_variables(rank: int) -> None:
    wrapped = DistributedOptimizer(sgd(), algorithms.Synchronous())
    with pytest.raises(ValueError, match=r"Ranks \[1\] share other variables than rank 0"):
        wrapped.share(pair()[rank:])


# -- when ranks disagree


def drift(held: list[keras.Variable], rank: int) -> None:
    held[1].assign_add(np.full(3, rank))


def pair() -> list[keras.Variable]:
    return [keras.Variable(np.ones(3), name=name) for name in ("bias", "kernel")]


def test_ranks_that_differ_after_the_first_step_are_told(rank: int) -> None:
    held = pair()
    wrapped = DistributedOptimizer(sgd(), algorithms.LayerWise())
    wrapped.start(held)
    drift(held, rank)
    with pytest.raises(tf.errors.UnknownError, match="RanksDisagree: after step 1, kernel of rank 1 differs"):
        step(wrapped, held)


def test_ranks_that_drift_apart_later_are_told_where_asked_for(rank: int) -> None:
    held = pair()
    wrapped = DistributedOptimizer(sgd(), algorithms.Delayed(steps=2), check_every=3)
    train = tf.function(lambda: wrapped.apply([tf.ones(3), tf.ones(3)], held))
    for _ in range(4):
        train()
    drift(held, rank)
    train()
    with pytest.raises(tf.errors.UnknownError, match="after step 6, kernel of rank 1 differs"):
        train()


def test_replicas_of_the_centre_are_compared(monkeypatch: pytest.MonkeyPatch, rank: int) -> None:
    asked: list[tuple[str, list[float]]] = []

    def ask(arrays: list[np.ndarray], paths: list[str], name: str, when: str, among: hvd.ProcessSet) -> None:
        agreement.require_equal_arrays(arrays, paths, name, when, among)
        asked.append((when, [float(array[0]) for array in arrays]))

    monkeypatch.setattr(rounds_wire, "require_equal_arrays", ask)
    for algorithm in (algorithms.LocalSGD(period=1), algorithms.BackupWorkers(spares=0)):
        held = pair()
        wrapped = DistributedOptimizer(sgd(), algorithm, check_every=3)
        for _ in range(4):
            step(wrapped, held)
        wrapped.finish()
    assert [when for when, _ in asked] == ["after round 1", "after round 3"] * 2
    assert [values for _, values in asked] == [pytest.approx([1 - 0.1 * count] * 2) for count in (1, 3)] * 2
    with pytest.raises(RanksDisagree, match="after round 9, kernel of rank 1 differs"):
        agreement.require_equal_arrays(
            [np.ones(3), np.full(3, rank)], ["bias", "kernel"], "differ", "after round 9", hvd.global_process_set
        )


@pytest.mark.parametrize("options", [{"check_agreement": 1}, {"check_every": -1}, {"check_every": 2.5}], ids=str)
def test_checks_out_of_range(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(options))}=.*must be"):
        DistributedOptimizer(sgd(), algorithms.Synchronous(), **options)


def test_agreement_is_only_asked_where_it_is_promised_and_wanted(rank: int) -> None:
    for algorithm, check in ((algorithms.NoCommunication(), True), (algorithms.Synchronous(), False)):
        held = [keras.Variable(np.ones(3), name="kernel")]
        wrapped = DistributedOptimizer(sgd(), algorithm, check_agreement=check)
        wrapped.start(held)
        held[0].assign_add(np.full(3, rank))
        step(wrapped, held)
