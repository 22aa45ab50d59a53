"""A worker of an elastic Keras job with an algorithm of ours: STEPS PAUSE ALGORITHM [KEY=VALUE ...]."""

from __future__ import annotations

import json
import sys
import time
import zlib

import horovod.tensorflow as hvd
import keras
import numpy as np

import algorithms
from algorithms.tensorflow import DistributedOptimizer, ElasticState, elastic
from tests.elastic.journal import Journal
from tests.elastic.memory import resident
from tests.elastic.tensorflow_problem import BATCH, batch, net


def main() -> None:
    steps, pause, name = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    options = {key: json.loads(value) for key, _, value in (argument.partition("=") for argument in sys.argv[4:])}
    journal = Journal()
    hvd.init()
    model = net()

    def wrap() -> DistributedOptimizer:
        optimizer = DistributedOptimizer(
            keras.optimizers.SGD(0.05, momentum=0.9), algorithms.CATALOGUE[name](**options), check_every=5
        )
        model.compile(optimizer=optimizer, loss="mse")
        return optimizer

    state = ElasticState(model, wrap, step=0)

    def digest() -> int:
        return zlib.crc32(
            b"".join(np.ascontiguousarray(value.numpy()).tobytes() for value in model.trainable_variables)
        )

    @elastic.run
    def train(state: ElasticState) -> None:
        facts = {"rank": hvd.rank(), "size": hvd.size(), "memory": resident(), "digest": digest()}
        journal.write("begins", step=state.step, samples=state.samples, lost=state.samples_lost, **facts)
        rank = hvd.rank()  # which one cannot ask any more once another worker is lost
        while state.step < steps:
            journal.write("draws", step=state.step)
            state.count(BATCH)
            time.sleep(pause)
            model.train_on_batch(*batch(rank, state.step))
            state.step += 1
            state.commit()
            journal.write("commits", step=state.step)
        state.optimizer.finish()
        journal.write("ends", step=state.step, digest=digest(), samples=state.samples)

    train(state)


if __name__ == "__main__":
    main()
