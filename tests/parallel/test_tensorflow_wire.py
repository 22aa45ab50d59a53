"""Formats of the wire in TensorFlow: they run the virtual trajectory, send what they declare, and are refused by all."""

from __future__ import annotations

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

import algorithms
from algorithms.contract import Algorithm, Rounds
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.tensorflow import DistributedOptimizer
from algorithms.tensorflow.arrays import shape_of
from algorithms.tensorflow.rounds.driver import RoundsDriver
from algorithms.virtual.replay import recording
from algorithms.wire import named
from tests.parallel import shared_problem, tensorflow_problem
from tests.parallel.shared_problem import LAYERS, SHAPES

pytestmark = [pytest.mark.ranks(2), pytest.mark.usefixtures("tensorflow_job")]

FORMATS = ["fp16", "int16", "powersgd:rank=1"]
EXCHANGES = [
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    *(algorithms.LayerWise(order=order) for order in ("all", "backward", "forward")),
    algorithms.Delayed(steps=1),
    algorithms.Delayed(steps=2, compensation=0.5),
]
MEETING = [
    algorithms.BackupWorkers(spares=0),
    algorithms.ElasticAveraging(period=4, momentum=0.5, overlap=3),
    algorithms.LocalSGD(period=4),
]
ARRIVING = [
    algorithms.BackupWorkers(spares=1),
    algorithms.Asynchronous(),
    algorithms.ElasticAveraging(period=2, asynchronous=True),
]
STEPS = 15
SENT = {wire: sum(named(wire).bytes(shape, 8) for shape in SHAPES) for wire in FORMATS}
# float64 on both sides. PowerSGD divides by lengths of columns, which may be short.
TOLERANCE = {"fp16": 1e-9, "int16": 1e-9, "powersgd:rank=1": 1e-6}


def train(
    algorithm: Algorithm, wire: str, rank: int, steps: int = STEPS, *, unrolled: int = 1
) -> tuple[np.ndarray, Telemetry, DistributedOptimizer]:
    held = tensorflow_problem.variables(shift=rank)
    wrapped = DistributedOptimizer(tensorflow_problem.OPTIMIZERS["momentum"](), algorithm, wire=wire)
    driver = wrapped.driver
    if isinstance(driver, RoundsDriver):
        driver.keep_records()

    @tf.function(autograph=False)
    def step(number: tf.Tensor) -> None:
        for ahead in range(unrolled):
            wrapped.apply(tensorflow_problem.gradients(rank, number + ahead, held), held)

    for number in range(0, steps, unrolled):
        tagged = isinstance(driver, RoundsDriver) and isinstance(algorithm, Rounds) and algorithm.tagged
        step(tf.constant(driver.worker.life.step if tagged else number))  # type: ignore[attr-defined]
    wrapped.finish()
    return tensorflow_problem.flat(held), wrapped.telemetry(), wrapped


@pytest.mark.parametrize("wire", FORMATS)
@pytest.mark.parametrize("algorithm", EXCHANGES, ids=str)
def test_exchanges_run_the_virtual_trajectory(rank: int, ranks: int, algorithm: Algorithm, wire: str) -> None:
    ended, told, _ = train(algorithm, wire, rank)
    expected = shared_problem.oracle(algorithm, "momentum", ranks, STEPS, wire=wire).workers[rank]
    plain = shared_problem.oracle(algorithm, "momentum", ranks, STEPS).workers[rank]
    assert np.abs(plain - expected).max() > 1e-6, "the format changed nothing, so nothing was compared"
    np.testing.assert_allclose(ended, expected, rtol=0, atol=TOLERANCE[wire])
    assert told.bytes_sent == told.rounds * SENT[wire]
    assert told.memory_declared == algorithm.memory() + named(wire).memory()


@pytest.mark.parametrize("wire", FORMATS)
def test_steps_of_one_function_hand_on_what_is_left_behind(rank: int, ranks: int, wire: str) -> None:
    ended, _, _ = train(algorithms.LayerWise(), wire, rank, unrolled=5)
    expected = shared_problem.oracle(algorithms.LayerWise(), "momentum", ranks, STEPS, wire=wire).workers[rank]
    np.testing.assert_allclose(ended, expected, rtol=0, atol=TOLERANCE[wire])


@pytest.mark.parametrize("wire", ["int16", "powersgd:rank=1"])
@pytest.mark.parametrize("elastic", [False, True], ids=["finished", "elastic"])
def test_an_emptied_pipeline_sends_nothing_again(rank: int, ranks: int, wire: str, elastic: bool) -> None:
    """What was applied, what each rank keeps back and what a change of workers has cost are what the ranks have made."""
    weight = keras.Variable(np.zeros((6, 6)), dtype="float64")
    wrapped = DistributedOptimizer(keras.optimizers.SGD(1.0), algorithms.Delayed(steps=2), wire=wire)
    step = tf.function(lambda gradient: wrapped.apply([gradient], [weight]), autograph=False)

    def held(name: str) -> np.ndarray:
        return next(np.array(v.numpy()) for v in wrapped.variables if v.name.endswith(name)).reshape(6, 6)

    rest, draw = np.zeros((6, 6)), np.random.default_rng(rank)
    for number in range(12):
        made = draw.normal(size=(6, 6))
        step(tf.constant(made))
        rest += made
        if number in (3, 7):
            if elastic:
                rest -= held("average_2") + held("gradient")
                wrapped.driver.go_on([True] * ranks)
            else:
                wrapped.finish()
    wrapped.finish()
    rest -= held("residual_0_0")
    mean = hvd.allreduce(tf.constant(rest), op=hvd.Average, name=f"conserved.{wire}.{elastic}")
    np.testing.assert_allclose(weight.numpy(), -mean.numpy(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("wire", FORMATS)
@pytest.mark.parametrize("algorithm", [*MEETING, *ARRIVING], ids=str)
def test_rounds_replay_in_the_virtual_driver(rank: int, ranks: int, algorithm: Rounds, wire: str) -> None:
    if named(wire).of_changes_only and algorithm.offers_parameters:
        with pytest.raises(ValueError, match=f"{algorithm.name} sends parameters"):
            train(algorithm, wire, rank)
        return
    ended, told, wrapped = train(algorithm, wire, rank)
    driver = wrapped.driver
    assert isinstance(driver, RoundsDriver)
    if algorithm in MEETING:
        expected = shared_problem.oracle(algorithm, "momentum", ranks, STEPS, wire=wire).workers[rank]
        np.testing.assert_allclose(ended, expected, rtol=0, atol=TOLERANCE[wire])
    else:
        events = recording(algorithm, driver.keep_records(), ranks)
        replayed = shared_problem.oracle(algorithm, "momentum", ranks, STEPS, replay=events, wire=wire)
        held = driver.work.replica.evaluated
        assert held is not None
        seen = np.concatenate([held.at(number).ravel() for number in range(len(LAYERS))])
        np.testing.assert_allclose(seen, replayed.averages[-1], rtol=0, atol=TOLERANCE[wire])
    assert told.bytes_sent == told.rounds * SENT[wire]


@pytest.mark.parametrize("wire", FORMATS)
def test_what_is_remembered_is_saved_with_the_optimizer(rank: int, wire: str) -> None:
    _, _, wrapped = train(algorithms.Synchronous(), wire, rank)
    kept = {variable.name for variable in wrapped.variables}
    expected = {"fp16": set(), "int16": {"residual_0_0", "residual_1_0", "residual_2_0"}}
    assert {name for name in kept if name.startswith(("residual", "basis"))} == expected.get(
        wire, {"residual_0_0", "basis_0"}
    )
    again = DistributedOptimizer.from_config(wrapped.get_config())
    assert again.wire == wire


@pytest.mark.parametrize("wire", ["none", *FORMATS])
@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32"])
def test_numbers_of_every_kind_travel(rank: int, wire: str, kind: str) -> None:
    weight = keras.Variable(np.zeros((20, 15)), dtype=kind)
    wrapped = DistributedOptimizer(keras.optimizers.SGD(0.125), algorithms.Synchronous(overlap=True), wire=wire)

    @tf.function(autograph=False)
    def step() -> None:
        wrapped.apply([weight.value - tf.cast(rank, weight.value.dtype)], [weight])

    for _ in range(30):
        step()
    wrapped.finish()
    assert np.abs(np.asarray(tf.cast(weight.value, tf.float32)) - 0.5).max() < 0.1


@pytest.mark.parametrize("wire", FORMATS)
def test_an_overflow_of_one_rank_leaves_out_the_step_of_all(rank: int, wire: str) -> None:
    weight = keras.Variable(np.ones((20, 15)), dtype="float32")
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.125), initial_scale=16.0)
    wrapped = DistributedOptimizer(scaled, algorithms.Synchronous(), wire=wire)

    @tf.function(autograph=False)
    def step(factor: tf.Tensor) -> None:
        wrapped.apply([weight.value * 16.0 * factor], [weight])

    for number in range(4):
        before = weight.numpy().copy()
        step(tf.constant(np.inf if number == 1 and rank == 0 else 1.0, tf.float32))
        assert np.array_equal(before, weight.numpy()) == (number == 1)
    wrapped.finish()
    assert np.isfinite(weight.numpy()).all()


def test_a_convolution_has_a_column_for_each_output() -> None:
    assert shape_of(keras.Variable(np.zeros((3, 3, 4, 8)))) == (36, 8)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match=r"wire='fp61'.*did you mean 'fp16'\?"):
        DistributedOptimizer(keras.optimizers.SGD(), algorithms.Synchronous(), wire="fp61")


def test_ranks_must_ask_for_the_same(rank: int) -> None:
    held = tensorflow_problem.variables(shift=0)
    wrapped = DistributedOptimizer(
        keras.optimizers.SGD(), algorithms.Synchronous(), wire="int16" if hvd.rank() else "fp16"
    )
    with pytest.raises(ValueError, match="wrapped another optimizer, algorithm"):
        wrapped.apply(tensorflow_problem.gradients(rank, tf.constant(0), held), held)
