"""A worker of stock Horovod's elastic training, as its documentation writes it."""

from __future__ import annotations

import sys
import time

import horovod.torch as hvd
import torch

from tests.elastic.journal import Journal
from tests.elastic.memory import resident
from tests.elastic.torch_problem import batch, digest, net


def main() -> None:
    steps, pause = int(sys.argv[1]), float(sys.argv[2])
    journal = Journal()
    hvd.init()
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    optimizer = hvd.DistributedOptimizer(optimizer, named_parameters=model.named_parameters())
    state = hvd.elastic.TorchState(model=model, optimizer=optimizer, step=0)

    @hvd.elastic.run
    def train(state: hvd.elastic.TorchState) -> None:
        journal.write(
            "begins", step=state.step, rank=hvd.rank(), size=hvd.size(), memory=resident(), agreed=digest(model)
        )
        rank = hvd.rank()  # which one cannot ask any more once another worker is lost
        while state.step < steps:
            journal.write("draws", step=state.step)
            inputs, targets = batch(rank, state.step)
            optimizer.zero_grad()
            time.sleep(pause)
            torch.nn.functional.mse_loss(model(inputs), targets).backward()
            optimizer.step()
            state.step += 1
            state.commit()
            journal.write("commits", step=state.step)
        journal.write("ends", step=state.step, agreed=digest(model), memory=resident())

    train(state)


if __name__ == "__main__":
    main()
