"""Rounds by the thousand, with random delays, random early finishers and random stops. One line of JSON from rank 0.

    horovodrun -np 4 python -m tests.microbench.soak softsync --rounds 10000

An episode: every rank trains for as many steps as it draws, now and then sleeping, and finishes; who has drawn few serves
the others' rounds meanwhile. Then all hold the same centre, bit for bit, or the soak fails. Every few episodes the
optimizer is detached in the middle of its rounds, by no rank at the same step, and another takes its place. Memory is
compared with what it was after the first tenth of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import horovod.torch as hvd
import numpy as np
import psutil
import torch

import algorithms
from algorithms.contract import Rounds
from algorithms.torch import DistributedOptimizer
from tests.parallel import torch_nets

KINDS: dict[str, Rounds] = {
    "backup_workers": algorithms.BackupWorkers(spares=1),
    "softsync": algorithms.SoftSync(gradients=2),
    "asynchronous": algorithms.Asynchronous(max_staleness=8),
    "downpour": algorithms.Downpour(period=2),
    "elastic_averaging": algorithms.ElasticAveraging(period=2, asynchronous=True),
}
STEPS = 400  # of an episode, at most
EPISODES = 4  # that an optimizer lives
SLEEPS = 0.05  # of all steps
MEGABYTE = 1 << 20


def episode(opt: DistributedOptimizer, net: torch.nn.Module, rng: np.random.Generator) -> None:
    for step in range(int(rng.integers(1, STEPS))):
        opt.zero_grad()
        torch_nets.loss(net, step, hvd.rank()).backward()
        if rng.random() < SLEEPS:
            time.sleep(rng.exponential(0.005))
        opt.step()
    opt.finish()


def same_everywhere(opt: DistributedOptimizer, net: torch.nn.Module) -> bool:
    with opt.evaluation():
        mine = torch.from_numpy(torch_nets.vector(net).copy())
    return all(torch.equal(mine, theirs) for theirs in hvd.allgather(mine[None], name="soak.centres"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("algorithm", choices=sorted(KINDS))
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    hvd.init()
    rng = np.random.default_rng((asked.seed, hvd.rank()))
    process = psutil.Process()
    rounds, episodes, settled = 0, 0, 0
    began = time.monotonic()
    while rounds < asked.rounds:
        net = torch_nets.make(seed=episodes)
        with DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.001), net, KINDS[asked.algorithm]) as opt:
            for _ in range(EPISODES):
                episode(opt, net, rng)
                episodes += 1
                if not same_everywhere(opt, net):
                    raise SystemExit(f"rank {hvd.rank()}: centres differ after episode {episodes}")
            rounds += opt.telemetry().rounds
            for step in range(int(rng.integers(1, 4))):
                torch_nets.loss(net, step, hvd.rank()).backward()
                opt.step()
                opt.zero_grad()
        settled = settled or (process.memory_info().rss if rounds > asked.rounds // 10 else 0)
    grown = (process.memory_info().rss - settled) / MEGABYTE
    worst = float(hvd.allreduce(torch.tensor(grown), op=hvd.Max, name="soak.memory"))
    if hvd.rank() == 0:
        told = {"algorithm": asked.algorithm, "ranks": hvd.size(), "rounds": rounds, "episodes": episodes}
        measured = {"seconds": round(time.monotonic() - began, 1), "grown_mb": round(worst, 2)}
        print(json.dumps(told | measured | {"threads": threading.active_count(), "centres": "equal"}), flush=True)
