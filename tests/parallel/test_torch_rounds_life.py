"""Beginning, going on, saving, failing and ending; waiting is cheap, and being slow is no crime."""

from __future__ import annotations

import copy
import os
import threading
import time
from pathlib import Path

import horovod.torch as hvd
import numpy as np
import pytest
import torch

import algorithms
from algorithms.contract import Rounds
from algorithms.mechanisms.errors import TrainingError
from algorithms.torch import DistributedOptimizer
from algorithms.torch.rounds import gradients as rounds_gradients
from tests.parallel import torch_nets
from tests.parallel.torch_rounds_runs import OPTIMIZERS, agree, driver
from tests.patience import PROMPT

pytestmark = pytest.mark.ranks(2, 4, environment={"HOROVOD_GLOO_TIMEOUT_SECONDS": "3"})


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


def train(opt: DistributedOptimizer, net: torch.nn.Module, steps: range, rank: int) -> None:
    for step in steps:
        opt.zero_grad()
        torch_nets.loss(net, step, rank).backward()
        opt.step()


EVERY_STEP = [
    algorithms.LocalSGD(period=3),
    algorithms.LocalSGD(period=4, overlap=2),
    algorithms.SlowMo(period=4),
    algorithms.DiLoCo(period=4, overlap=3),
    algorithms.ElasticAveraging(period=4),
    algorithms.ElasticAveraging(period=4, momentum=0.5, overlap=3),
    algorithms.BackupWorkers(spares=0, averaging=0.5),
]


@pytest.mark.parametrize("algorithm", EVERY_STEP, ids=repr)
@pytest.mark.parametrize("stop", [5, 6])
def test_saved_and_restored_in_mid_period_goes_on_the_same(algorithm: Rounds, stop: int, rank: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["momentum"][0](net), net, algorithm) as opt:
        train(opt, net, range(stop), rank)
        saved = copy.deepcopy({"net": net.state_dict(), "opt": opt.state_dict()})
        train(opt, net, range(stop, 12), rank)
        opt.finish()
        unbroken = torch_nets.vector(net)
        with opt.evaluation():
            unbroken_centre = torch_nets.vector(net)
    other = torch_nets.make(seed=11)
    with DistributedOptimizer(OPTIMIZERS["momentum"][0](other), other, algorithm) as opt:
        train(opt, other, range(3), rank)  # what was done before loading is forgotten
        other.load_state_dict(saved["net"])
        opt.load_state_dict(saved["opt"])
        train(opt, other, range(stop, 12), rank)
        opt.finish()
        assert np.array_equal(torch_nets.vector(other), unbroken)
        with opt.evaluation():
            assert np.array_equal(torch_nets.vector(other), unbroken_centre)


@pytest.mark.parametrize("algorithm", [algorithms.Asynchronous(), algorithms.Downpour(period=2)], ids=repr)
def test_each_rank_may_load_what_it_saved_at_another_time(algorithm: Rounds, rank: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["adamw"][0](net), net, algorithm) as opt:
        train(opt, net, range(4 + 3 * rank), rank)
        saved = copy.deepcopy({"net": net.state_dict(), "opt": opt.state_dict()})
    other = torch_nets.make(seed=11)
    with DistributedOptimizer(OPTIMIZERS["adamw"][0](other), other, algorithm) as opt:
        other.load_state_dict(saved["net"])
        opt.load_state_dict(saved["opt"])
        train(opt, other, range(6), rank)
        opt.finish()
        with opt.evaluation():
            assert agree(torch_nets.vector(other), f"loaded.{algorithm!r}")


def test_a_model_loaded_before_the_first_step_is_where_the_centre_starts(rank: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithms.BackupWorkers(spares=0)) as opt:
        net.load_state_dict(torch_nets.make(seed=77).state_dict())
        train(opt, net, range(1), rank)
        moved = torch_nets.vector(net) - torch_nets.vector(torch_nets.make(seed=77))
    assert 0 < np.abs(moved).max() < 0.5


def test_evaluation_shows_the_centre_and_puts_everything_back(rank: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithms.ElasticAveraging(period=2)) as opt:
        train(opt, net, range(5), rank)
        before = torch_nets.vector(net)
        with opt.evaluation():
            assert agree(torch_nets.vector(net), "evaluation.inside")
            torch_nets.loss(net, 99, rank).backward()  # a forward in here begins no step
            with opt.evaluation():
                pass
        assert np.array_equal(torch_nets.vector(net), before)
        train(opt, net, range(5, 7), rank)


@pytest.mark.parametrize("algorithm", [algorithms.SoftSync(gradients=1), algorithms.LocalSGD(period=2)], ids=repr)
def test_it_goes_on_after_finish(algorithm: Rounds, rank: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["momentum"][0](net), net, algorithm) as opt:
        train(opt, net, range(4 + rank), rank)
        opt.finish()
        opt.finish()
        first = opt.telemetry()
        train(opt, net, range(4), rank)
        opt.finish()
        second = opt.telemetry()
    assert second.steps == first.steps + 4
    assert second.rounds > first.rounds
    assert sum(second.staleness.values()) == second.used
    assert not [t for t in threading.enumerate() if t.name == "farandole-rounds"], "a helper is left over"


@pytest.mark.parametrize(
    "algorithm", [algorithms.Asynchronous(), algorithms.ElasticAveraging(period=2, asynchronous=True)], ids=repr
)
def test_a_rank_without_any_data_serves_the_others(algorithm: Rounds, rank: int, ranks: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["momentum"][0](net), net, algorithm) as opt:
        train(opt, net, range(0 if rank == ranks - 1 else 5 + rank), rank)
        opt.finish()
        assert opt.telemetry().rounds > 0
        with opt.evaluation():
            assert agree(torch_nets.vector(net), "no_data")


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.BackupWorkers(spares=1),
        algorithms.Asynchronous(),
        algorithms.LocalSGD(period=500),
        algorithms.ElasticAveraging(period=3, overlap=2),
    ],
    ids=repr,
)
def test_an_error_in_one_training_thread_reaches_all_within_ten_seconds(
    algorithm: Rounds, rank: int, ranks: int
) -> None:
    net = torch_nets.make()
    opt = DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithm)
    bad = ranks - 1
    began = time.monotonic()
    try:
        for step in range(10**6):
            if rank == bad and step == 5:
                raise KeyError("the seventh picture of batch 5 is missing")
            train(opt, net, range(step, step + 1), rank)
            time.sleep(0.01)
    except KeyError:
        opt.detach()
        assert rank == bad
    except TrainingError as error:
        assert rank != bad
        assert f"training failed on rank {bad}" in str(error)
        assert "the seventh picture of batch 5 is missing" in str(error)
        opt.detach()
    assert time.monotonic() - began < PROMPT


@pytest.mark.parametrize("algorithm", [algorithms.BackupWorkers(spares=1), algorithms.LocalSGD(period=2)], ids=repr)
def test_a_straggler_slower_than_gloos_patience_does_not_end_the_job(algorithm: Rounds, rank: int, ranks: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithm) as opt:
        train(opt, net, range(2), rank)
        if rank == ranks - 1:
            time.sleep(7)  # more than twice the 3 s of this file's ranks
        train(opt, net, range(2, 4), rank)
        opt.finish()
        assert opt.telemetry().rounds >= 2


@pytest.mark.parametrize("algorithm", [algorithms.BackupWorkers(spares=1), algorithms.LocalSGD(period=2)], ids=repr)
def test_an_idle_helper_uses_less_than_a_tenth_of_a_core(algorithm: Rounds, rank: int, shared_path: Path) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithm) as opt:
        train(opt, net, range(2), rank)
        helper = driver(opt).worker.helper
        assert helper is not None
        before, began = cpu_seconds(helper.thread), time.monotonic()
        time.sleep(5)
        used = (cpu_seconds(helper.thread) - before) / (time.monotonic() - began)
    (shared_path / f"{algorithm.name}.{rank}").write_text(f"{used:.4f} of a core, {helper.votes} votes\n")
    print(f"{algorithm.name}: an idle helper used {used:.2%} of a core")
    assert used < 0.1


def cpu_seconds(thread: threading.Thread) -> float:
    """Of one thread, in user and system mode: fields 14 and 15 of its `stat`."""
    fields = Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        (algorithms.BackupWorkers(spares=9), "spares=9"),
        (algorithms.SoftSync(gradients=9), "gradients=9"),
        (algorithms.ElasticAveraging(moving_rate=1.9), "2p/"),
        (algorithms.ADMM(), "virtual"),
        (algorithms.Adasum(), "Gloo, which has no Adasum"),
    ],
    ids=repr,
)
def test_what_cannot_work_here_is_refused_on_every_rank(algorithm: Rounds, message: str, rank: int) -> None:
    net = torch_nets.make()
    with pytest.raises(ValueError, match=message):
        DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithm)


class NeedsClosure(torch.optim.SGD):
    def step(self, closure):  # type: ignore[no-untyped-def, override]
        return super().step(closure)


def test_an_optimizer_that_cannot_run_at_the_centre_is_refused(rank: int) -> None:
    net = torch_nets.make()
    with pytest.raises(ValueError, match="NeedsClosure: its step needs a closure"):
        DistributedOptimizer(NeedsClosure(net.parameters(), lr=0.1), net, algorithms.Asynchronous())


def test_clipping_an_average_that_never_exists_is_refused(rank: int) -> None:
    net = torch_nets.make()
    with pytest.raises(ValueError, match="never averages gradients"):
        DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithms.LocalSGD(), clip_norm=1.0)


def test_a_watcher_is_told_of_votes_and_exchanges_on_every_rank(rank: int) -> None:
    class Watcher:
        clock = staticmethod(time.perf_counter)

        def __init__(self) -> None:
            self.told: list[str] = []

        def add(self, name: str, began: float, seconds: float) -> None:
            assert seconds > 0
            self.told.append(name)

    net, watcher = torch_nets.make(), Watcher()
    with DistributedOptimizer(OPTIMIZERS["momentum"][0](net), net, algorithms.LocalSGD(period=1)) as opt:
        assert opt.watch(watcher)
        train(opt, net, range(3), rank)
        opt.finish()
    assert watcher.told.count("vote") >= 3
    all_that_trains = "exchange scale to out.bias"  # one piece
    assert watcher.told.count(all_that_trains) == 3
    assert set(watcher.told) == {"vote", all_that_trains}


def test_a_saved_state_is_of_one_moment_whatever_the_helper_does_next(rank: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["adamw"][0](net), net, algorithms.Asynchronous()) as opt:
        train(opt, net, range(5), rank)
        saved = opt.state_dict()
        then = copy.deepcopy(saved)
        train(opt, net, range(5, 15), rank)
        opt.finish()
    for number, state in then["state"].items():
        for key, value in state.items():
            assert torch.equal(saved["state"][number][key], value), f"{key} of parameter {number} has gone on"


def test_a_broadcast_of_the_centre_brings_what_its_optimizer_remembers(
    rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds_gradients, "REBROADCAST", 2)
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["momentum"][0](net), net, algorithms.BackupWorkers(spares=0)) as opt:
        train(opt, net, range(1), rank)
        for state in filter(None, opt.state.values()):  # of what has had a gradient
            state["momentum_buffer"].mul_(1 + rank)  # as unlike processors would, a little, over a thousand rounds
        train(opt, net, range(1, 3), rank)
        opt.finish()
        assert agree(torch_nets.vector(net), "rebroadcast")
