"""A rank of a small job; rank 1 ends in the way that is asked for, at step 5 of 400. Not a test: `test_endings` runs it."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from pathlib import Path

import horovod.torch as hvd
import torch

import algorithms
from algorithms.torch import DistributedOptimizer

ALGORITHMS = {
    "blocking": algorithms.Synchronous(),
    "forward": algorithms.LayerWise(order="forward"),
    "delayed": algorithms.Delayed(steps=2),
}

PATIENCE = 20.0


def meet(folder: Path) -> None:
    """After Horovod's own end: horovodrun ends the other rank as soon as one is gone, and both must have spoken first."""
    (folder / f"spoken.{rank}").touch()
    end = time.monotonic() + PATIENCE
    while not (folder / f"spoken.{1 - rank}").exists() and time.monotonic() < end:
        time.sleep(0.05)


if __name__ == "__main__":
    algorithm, ending, folder = sys.argv[1:]
    atexit.register(meet, Path(folder))
    hvd.init()
    rank = hvd.rank()
    net = torch.nn.Sequential(torch.nn.Linear(50, 50), torch.nn.Linear(50, 1))
    opt = DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=1e-3), net, ALGORITHMS[algorithm])
    for step in range(400):
        opt.zero_grad()
        net(torch.ones(2, 50)).mean().backward()
        if rank == 1 and step == 5:
            print("ending now", flush=True)
            if ending == "raises":
                raise ValueError("the user's own mistake")
            if ending == "leaves":
                sys.exit(0)
            if ending == "finishes":
                opt.finish()
                sys.exit(0)
            if ending == "interrupted":
                signal.raise_signal(signal.SIGINT)
            os.kill(os.getpid(), signal.SIGKILL)
        opt.step()
    opt.finish()
    print("trained to the end", flush=True)
