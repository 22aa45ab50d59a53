"""Rounds go on: behind `finish()`, from what each rank had saved, under new options, and with what was changed outside."""

from __future__ import annotations

import copy
import re
import time
import warnings

import horovod.torch as hvd
import numpy as np
import pytest
import torch

import algorithms
from algorithms.contract import Rounds
from algorithms.mechanisms.errors import RanksDisagree, TrainingError
from algorithms.mechanisms.quorum.outside import Overwritten
from algorithms.torch import DistributedOptimizer
from algorithms.torch.rounds.gradients import GradientWork
from tests.parallel import torch_nets
from tests.parallel.torch_rounds_runs import OPTIMIZERS, agree, driver

pytestmark = [pytest.mark.ranks(2)]


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


def train(opt: DistributedOptimizer, net: torch.nn.Module, steps: int, rank: int) -> None:
    for step in range(steps):
        opt.zero_grad()
        torch_nets.loss(net, step, rank).backward()
        opt.step()


@pytest.mark.parametrize("algorithm", [algorithms.Asynchronous(), algorithms.SoftSync(gradients=1)], ids=repr)
def test_a_learning_rate_set_behind_finish_is_in_force_at_once(algorithm: Rounds, rank: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithm) as opt:
        train(opt, net, 5 + 2 * rank, rank)
        opt.finish()
        before = torch_nets.vector(net)
        opt.param_groups[0]["lr"] = 0.0
        train(opt, net, 3, rank)
        opt.finish()
        assert np.array_equal(torch_nets.vector(net), before)


def test_a_warm_up_is_over_and_a_period_goes_on_behind_finish(rank: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithms.LocalSGD(period=10, warmup=3)) as opt:
        train(opt, net, 13 - rank, rank)  # ranks that end unlike go on from the step of the furthest
        opt.finish()
        assert opt.telemetry().rounds == 4  # of steps 0, 1, 2 and 12
        train(opt, net, 9, rank)
        assert opt.telemetry().rounds == 4
        train(opt, net, 1, rank)
        assert opt.telemetry().rounds == 5


def test_ranks_that_load_states_of_different_moments_take_options_alike(rank: int) -> None:
    algorithm = algorithms.SoftSync(gradients=1)
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithm) as opt:
        train(opt, net, 2 - rank, rank)  # a round needs the helpers of both
        saved = copy.deepcopy({"net": net.state_dict(), "opt": opt.state_dict()})
        hvd.barrier()
        if rank == 1:
            train(opt, net, 6, rank)
            saved = copy.deepcopy({"net": net.state_dict(), "opt": opt.state_dict()})
        opt.finish()
    with DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithm) as opt:
        net.load_state_dict(saved["net"])
        opt.load_state_dict(saved["opt"])
        rounds = driver(opt)
        with torch.no_grad():
            rounds._start()
        opt.param_groups[0]["lr"] = 0.01  # which all are to take from whoever comes first
        if rank == 1:
            time.sleep(2)  # so that the one that has come less far is in a round alone
        train(opt, net, 3, rank)
        opt.finish()
        assert isinstance(rounds.work, GradientWork)
        assert rounds.work.shadow.optimizer.param_groups[0]["lr"] == 0.01
        assert agree(torch_nets.vector(net), "loaded apart")


@pytest.mark.parametrize("algorithm", [algorithms.BackupWorkers(spares=1), algorithms.Downpour()], ids=repr)
def test_comparing_every_so_many_steps_is_refused_where_steps_are_each_ranks_own(algorithm: Rounds) -> None:
    net = torch_nets.make()
    with pytest.raises(
        ValueError, match=rf"check_every=10: with {algorithm.name} ranks do not make their steps together"
    ):
        DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithm, check_every=10)


def test_comparing_waits_for_nobody_until_all_have_finished(rank: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithms.SoftSync(gradients=1)) as opt:
        train(opt, net, 3 - rank, rank)
        if rank == 0:
            opt.check_agreement()
        opt.finish()
        opt.check_agreement()
        name, centre = next(iter(driver(opt).work.replica.kept.items()))
        if rank == 1:
            next(iter(centre)).add_(1)
        with pytest.raises(RanksDisagree, match=f"centre.{name}"):
            opt.check_agreement()


@pytest.mark.parametrize("algorithm", [algorithms.SoftSync(gradients=1), algorithms.LocalSGD(period=2)], ids=repr)
def test_a_rank_without_a_step_since_the_last_finish_serves_the_others(algorithm: Rounds, rank: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["momentum"][0](net), net, algorithm) as opt:
        train(opt, net, 2, rank)
        opt.finish()
        before = opt.telemetry().rounds
        train(opt, net, 4 * rank, rank)
        opt.finish()
        assert opt.telemetry().rounds == before + (4 if isinstance(algorithm, algorithms.SoftSync) else 2)
        if isinstance(algorithm, algorithms.SoftSync):
            assert agree(torch_nets.vector(net), "served")


@pytest.mark.parametrize("algorithm", [algorithms.BackupWorkers(spares=0), algorithms.LocalSGD(period=2)], ids=repr)
@pytest.mark.parametrize("whose", ["all", "one"])
def test_a_layer_unfrozen_behind_wrapping_is_refused(algorithm: Rounds, whose: str, rank: int) -> None:
    net = torch_nets.make()
    opt = DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithm)
    train(opt, net, 1, rank)
    net.frozen.requires_grad_(whose == "all" or rank == 1)
    with pytest.raises(TrainingError, match=r"rank [01]: .*freeze and unfreeze it afterwards"):
        train(opt, net, 4, rank)
    opt.detach()


@pytest.mark.parametrize("algorithm", [algorithms.BackupWorkers(spares=0), algorithms.Asynchronous()], ids=repr)
def test_who_changes_parameters_beside_the_centre_is_told_once(algorithm: Rounds, rank: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["momentum"][0](net), net, algorithm) as opt:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Overwritten)
            net.load_state_dict(torch_nets.make(seed=7).state_dict())  # where the centre is to start
            train(opt, net, 2, rank)
            with opt.evaluation():
                pass
            saved = copy.deepcopy((net.state_dict(), opt.state_dict()))
            train(opt, net, 2, rank)
            opt.finish()
            net.load_state_dict(saved[0])
            opt.load_state_dict(saved[1])
            train(opt, net, 2, rank)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for _ in range(2):
                with torch.no_grad():
                    net.out.weight.clamp_(-0.01, 0.01)
                train(opt, net, 1, rank)
            opt.finish()
        said = [str(warning.message) for warning in told if warning.category is Overwritten]
        assert len(said) == 1
        assert re.search(rf"out\.weight: .*{algorithm.name}.* takes their place", said[0])


@pytest.mark.parametrize("whose", ["all", "one"])
def test_a_layer_frozen_behind_wrapping_stays_where_it_is_unless_another_rank_trains_it(whose: str, rank: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["momentum"][0](net), net, algorithms.BackupWorkers(spares=0)) as opt:
        train(opt, net, 3, rank)  # so that there is momentum
        net.out.requires_grad_(whose == "one" and rank == 0)
        before = net.out.weight.detach().clone()
        train(opt, net, 3, rank)
        assert torch.equal(net.out.weight, before) == (whose == "all")
        net.out.requires_grad_(True)
        train(opt, net, 1, rank)
        assert not torch.equal(net.out.weight, before)
        assert agree(torch_nets.vector(net), f"frozen.{whose}")


def test_finishing_again_leaves_alone_what_was_loaded_meanwhile(rank: int) -> None:
    net, best = torch_nets.make(), torch_nets.make(seed=7)
    with DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithms.BackupWorkers(spares=0)) as opt:
        train(opt, net, 2, rank)
        opt.finish()
        net.load_state_dict(best.state_dict())
        opt.finish()
    assert np.array_equal(torch_nets.vector(net), torch_nets.vector(best))
