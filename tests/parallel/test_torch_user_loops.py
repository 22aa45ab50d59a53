"""Users' loops in PyTorch times all algorithms: each cell equals its reference, or every rank is told why not.

`horovodrun -np 2 python -m tests.parallel.torch_user_table 20` prints the table, every cell so many times.
"""

from __future__ import annotations

import horovod.torch as hvd
import pytest

import algorithms
from algorithms.contract import Algorithm
from tests.parallel.torch_delays import Delays
from tests.parallel.torch_user_cells import few_cores, run
from tests.parallel.torch_user_loops import CELLS, LOOPS, refusal
from tests.patience import PROMPT

pytestmark = pytest.mark.ranks(2)

MEAN = 0.0005  # seconds of a delay
OFTEN = [
    ("scaler, inf on one", algorithms.LayerWise()),
    ("scaler, inf on one", algorithms.Delayed(steps=1)),
    ("scaler, inf on one", algorithms.StockHorovod()),
    ("scaler, inf on one", algorithms.BackupWorkers(spares=1)),
    ("changed without a version", algorithms.Synchronous(overlap=True)),
    ("noised differently", algorithms.LayerWise()),
    ("two models, GAN", algorithms.LayerWise()),
]


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()
    few_cores()


def require(name: str, algorithm: Algorithm, rank: int, seed: int) -> None:
    loop = LOOPS[name]
    with pytest.MonkeyPatch.context() as patch:
        delays = Delays(MEAN, seed, rank)
        delays.on_the_wire(patch)
        outcome = run(loop, algorithm, rank, delays)
    expected = refusal(loop, algorithm)
    assert (outcome.error is None) == (expected is None), outcome.error
    if outcome.error is not None and expected is not None:
        assert expected in outcome.error
        assert outcome.seconds < PROMPT
        return
    # Float64 on both sides: they add in different orders, and that is all.
    assert outcome.far < 1e-9
    assert outcome.scale == 1.0


@pytest.mark.parametrize(("name", "algorithm"), CELLS, ids=str)
def test_the_loop_equals_its_reference_or_is_refused(name: str, algorithm: Algorithm, rank: int) -> None:
    require(name, algorithm, rank, seed=0)


@pytest.mark.parametrize(("name", "algorithm"), OFTEN, ids=str)
def test_whatever_the_delays(name: str, algorithm: Algorithm, rank: int) -> None:
    for seed in (1, 2, 3):
        require(name, algorithm, rank, seed)
