"""What a vote costs: all helpers vote, one vote after the other, with nothing else to do. One line of JSON from rank 0.

    horovodrun -np 4 python -m tests.microbench.votes

In a training run a vote also waits for the ballot of the last helper, which telemetry counts as vote time; this is the
part that is left when everyone has voted at once.
"""

from __future__ import annotations

import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import horovod.torch as hvd
import numpy as np
import torch

from algorithms.mechanisms.quorum.ballot import Ballot, written
from algorithms.torch.rounds.space import Space
from algorithms.torch.rounds.wire import TorchWire

WARMUP = 50
VOTES = 500

if __name__ == "__main__":
    hvd.init()
    space = Space([torch.nn.Parameter(torch.zeros(1))], tensor_by_tensor=False)
    wire = TorchWire(space, "votes.", time.perf_counter)
    ballot = written(Ballot(step=1), hvd.rank(), hvd.size())
    seconds = []
    for _ in range(WARMUP + VOTES):
        began = time.perf_counter()
        wire.vote(ballot)
        seconds.append(time.perf_counter() - began)
    if hvd.rank() == 0:
        median, slow = np.quantile(seconds[WARMUP:], [0.5, 0.95]) * 1e3
        print(json.dumps({"ranks": hvd.size(), "median_ms": round(median, 2), "slowest_twentieth_ms": round(slow, 2)}))
