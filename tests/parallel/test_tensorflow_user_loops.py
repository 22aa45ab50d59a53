"""Users' loops in TensorFlow times all algorithms: each cell equals its reference, or every rank is told why not.

`horovodrun -np 2 python -m tests.parallel.tensorflow_user_table 20` prints the table, every cell so many times; of it only
what goes the same way for several algorithms is left out here.
Gradients cannot change while they travel here: a tensor is immutable, and what a loop does afterwards, even to variables
that it has handed over ("overwritten variables"), gives those variables other memory.
"""

from __future__ import annotations

import re
import time
from functools import partial

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

import algorithms
from algorithms.contract import Algorithm
from algorithms.tensorflow import DistributedOptimizer
from tests.parallel.tensorflow_caught_errors import CAUGHT, pair, step, wrap
from tests.parallel.tensorflow_delays import Delays
from tests.parallel.tensorflow_half_precision import HalfPrecision, half_precision, net
from tests.parallel.tensorflow_user_cell import run
from tests.parallel.tensorflow_user_loops import CELLS, KINDS, LOOPS, ROWS, refusal
from tests.patience import PROMPT

pytestmark = [
    # Most of the time goes into tracing; meanwhile Horovod's ranks would ask each other every millisecond.
    pytest.mark.ranks(2, environment={"HOROVOD_CYCLE_TIME": "5"}),
    pytest.mark.usefixtures("few_threads"),
]

MEAN = 0.001  # seconds of a delay
TESTED = [cell for cell in CELLS if not LOOPS[cell[0]].kinds or cell[1].name in KINDS]
OFTEN = [
    ("loss scale, inf on one", algorithms.LayerWise()),
    ("loss scale, inf on one", algorithms.Delayed(steps=1)),
    ("overwritten variables", algorithms.Asynchronous()),
    ("two in turns", algorithms.LayerWise()),
]


@pytest.fixture(scope="module")
def few_threads() -> None:
    """Horovod in TensorFlow, with the fewest threads that rounds can do with."""
    tf.config.threading.set_inter_op_parallelism_threads(2)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.get_logger().setLevel("ERROR")  # about tracing again: every test wraps new optimizers
    hvd.init()


def require(name: str, algorithm: Algorithm, rank: int, seed: int) -> None:
    loop = LOOPS[name]
    with pytest.MonkeyPatch.context() as patch:
        delays = Delays(MEAN, seed, rank)
        delays.on_the_wire(patch)
        outcome = run(loop, algorithm, rank, delays)
    expected = refusal(loop, algorithm)
    assert (outcome.error is None) == (expected is None), outcome.error
    if expected is not None:
        assert expected in str(outcome.error)
        assert outcome.seconds < PROMPT
        return
    # Float64 on both sides: they add in different orders, and that is all.
    assert outcome.far < 1e-9
    assert outcome.scale == 1.0


@pytest.mark.parametrize(("name", "algorithm"), TESTED, ids=str)
def test_the_loop_equals_its_reference_or_is_refused(name: str, algorithm: Algorithm, rank: int) -> None:
    require(name, algorithm, rank, seed=0)


@pytest.mark.parametrize(("name", "algorithm"), OFTEN, ids=str)
def test_whatever_the_delays(name: str, algorithm: Algorithm, rank: int) -> None:
    for seed in (1, 2, 3):
        require(name, algorithm, rank, seed)


# -- mixed_float16 under `fit`


HALF = [
    algorithms.LayerWise(),
    algorithms.Delayed(steps=1),
    algorithms.BackupWorkers(spares=0),
    algorithms.LocalSGD(period=2),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("algorithm", HALF, ids=str)
def test_half_precision_overflows_on_one_rank(algorithm: Algorithm, rank: int) -> None:
    trained = HalfPrecision(algorithm, rank)
    moved = np.linalg.norm(trained.expected - trained.start)
    assert moved > 0.01
    # Of numbers with 11 bits, some of which an update in another order rounds the other way.
    assert np.linalg.norm(trained.ended - trained.expected) < 0.005 * moved


@pytest.mark.parametrize("algorithm", [row[0] for name, row in ROWS.items() if name not in ("adasum", "admm")], ids=str)
def test_half_precision_says_where_the_loss_scale_belongs(algorithm: Algorithm) -> None:
    with half_precision():
        model = net(0)
    optimizer = DistributedOptimizer(keras.optimizers.SGD(0.1), algorithm)
    with pytest.raises(ValueError, match=r"LossScaleOptimizer\(\.\.\.\), .* auto_scale_loss=False"):
        model.compile(optimizer=optimizer, loss="mse")


# -- a caught error leaves nothing behind


@pytest.mark.parametrize("name", CAUGHT)
def test_after_a_caught_error_the_next_optimizer_works(name: str, rank: int) -> None:
    fail, message = CAUGHT[name]
    begun = time.monotonic()
    with pytest.raises((ValueError, RuntimeError, tf.errors.OpError)) as told:
        fail(rank)
    assert re.search(message, str(told.value))
    assert time.monotonic() - begun < PROMPT
    for algorithm in (algorithms.LayerWise(), algorithms.LocalSGD(period=1)):
        held, optimizer = pair(shift=rank), wrap(algorithm)
        tf.function(partial(step, optimizer, held, rank), autograph=False)()
        optimizer.finish()
        for variable in held:  # both begin at rank 0's 1, and slopes 1 and 2 have the mean 1.5
            assert np.array_equal(variable.numpy(), np.full(3, 1 - 0.5 * 1.5))


def test_weight_decay_may_be_left_out_by_name(rank: int) -> None:
    held = pair()
    optimizer = DistributedOptimizer(keras.optimizers.SGD(0.5, weight_decay=0.5), algorithms.LayerWise())
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    tf.function(lambda: optimizer.apply([tf.zeros(3), tf.zeros(3)], held))()
    assert [float(variable.numpy()[0]) for variable in held] == [1.0, 0.75]
