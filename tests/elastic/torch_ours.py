"""A worker of an elastic job with an algorithm of ours: STEPS PAUSE ALGORITHM [KEY=VALUE ...]."""

from __future__ import annotations

import json
import sys
import time

import horovod.torch as hvd
import torch

import algorithms
from algorithms.torch import DistributedOptimizer, ElasticState
from tests.elastic.journal import Journal
from tests.elastic.memory import resident
from tests.elastic.torch_problem import BATCH, batch, digest, net


def main() -> None:
    steps, pause, name = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    options = {key: value for key, _, value in (argument.partition("=") for argument in sys.argv[4:])}
    wire = options.pop("wire", "none")

    journal = Journal()
    hvd.init()
    model = net()
    plain = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    algorithm = algorithms.CATALOGUE[name](**{key: json.loads(value) for key, value in options.items()})
    state = ElasticState(model, lambda: DistributedOptimizer(plain, model, algorithm, wire=wire), step=0)

    @hvd.elastic.run
    def train(state: ElasticState) -> None:
        state.optimizer.check_agreement()
        journal.write(
            "begins",
            step=state.step,
            rank=hvd.rank(),
            size=hvd.size(),
            memory=resident(),
            digest=digest(model),
            agreed=True,  # or it would have raised
            samples=state.samples,
            lost=state.samples_lost,
        )
        rank = hvd.rank()  # which one cannot ask any more once another worker is lost
        while state.step < steps:
            journal.write("draws", step=state.step)
            state.count(BATCH)
            inputs, targets = batch(rank, state.step)
            state.optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(inputs), targets)
            time.sleep(pause)
            loss.backward()
            state.optimizer.step()
            state.step += 1
            state.commit()
            journal.write("commits", step=state.step)
        state.optimizer.finish()
        state.optimizer.check_agreement()  # of what must be equal: parameters, or the centre
        journal.write("ends", step=state.step, memory=resident(), samples=state.samples)

    train(state)


if __name__ == "__main__":
    main()
