"""Our whole training loop beside the framework's own, step by step in turns in one process, as one JSON object.

    python -m tests.microbench.loop_beside_bare torch alexnet --steps 20

Ours is what a rank of a run does: batches from a reader, `train`, a wrapped optimizer on Horovod with one rank, every
step written down. Theirs is the loop a user writes, with its batches at hand as tensors. An iteration of ours is timed
from the end of one bare step to the beginning of the next, so that nothing our loop does can hide.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from suite.cli.specify import Wanted, specification
from suite.data import Batch
from suite.experiment import choices
from suite.experiment.live import Live
from suite.rank.observer import Observer
from suite.rank.samples import RankWriter
from suite.rank.sources import open_source
from suite.record.specification import Specification
from suite.statistics import median
from suite.training import Plan, train

WARMUP = 3
READ_AHEAD_SECONDS = 0.05  # the reader refills its queue in neither loop's time


def torch_step(chosen: Specification) -> Callable[[Batch], float]:
    import torch

    from suite.models import torch_builder

    net = choices.net_of(chosen.model)
    model = torch_builder.build(net, chosen.seed).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=chosen.optimizer.learning_rate, momentum=0.9)

    def prepare(batch: Batch) -> tuple[Any, Any]:
        images, labels = batch
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels)

    def step(x: Any, y: Any) -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return timed(prepare, step)


def tensorflow_step(chosen: Specification) -> Callable[[Batch], float]:
    import keras
    import tensorflow as tf

    from suite.models import keras_builder

    model = keras_builder.build(choices.net_of(chosen.model), chosen.seed)
    optimizer = keras.optimizers.SGD(chosen.optimizer.learning_rate, momentum=0.9)
    optimizer.build(model.trainable_variables)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def traced(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        )
        return loss

    def prepare(batch: Batch) -> tuple[Any, Any]:
        return tf.convert_to_tensor(batch[0]), tf.convert_to_tensor(batch[1])

    return timed(prepare, lambda x, y: float(traced(x, y).numpy()))


def timed(prepare: Callable[[Batch], tuple[Any, Any]], step: Callable[[Any, Any], float]) -> Callable[[Batch], float]:
    def seconds(batch: Batch) -> float:
        x, y = prepare(batch)
        began = time.perf_counter()
        if not np.isfinite(step(x, y)):
            raise RuntimeError("the bare loop diverged")
        return time.perf_counter() - began

    return seconds


class Turns:
    """Between two steps of ours, one of theirs."""

    def __init__(self, bare: Callable[[Batch], float], batch: Batch, begin: Callable[[int], None]) -> None:
        self.bare, self.batch, self.begin = bare, batch, begin
        self.theirs: list[float] = []
        self.ours: list[float] = []
        self.left: float | None = None

    def __call__(self, step: int) -> None:
        if self.left is not None:
            self.ours.append(time.perf_counter() - self.left)
        time.sleep(READ_AHEAD_SECONDS)
        self.theirs.append(self.bare(self.batch))
        self.left = time.perf_counter()
        self.begin(step)


def compare(
    framework: str, model: str, algorithm: str, steps: int, batch_size: int, image: int | None
) -> dict[str, Any]:
    total = WARMUP + steps + 1  # the last one of ours has no bare step after it that would end its time
    wanted = Wanted(
        framework=framework,
        model=model,
        algorithm=algorithm,
        image=image,
        batch_size=batch_size,
        learning_rate=1e-4,
        momentum=0.9,
    )
    chosen = specification(wanted, 1)
    side = importlib.import_module(f"suite.rank.{framework}_side")
    place = side.join(chosen)
    built = side.build(Live(chosen), place)
    source = open_source(chosen, "train", 0, 1)
    with tempfile.TemporaryDirectory() as folder:
        observer = Observer(
            built.session,
            RankWriter(Path(folder), 0),
            telemetry=built.telemetry or (lambda: None),
            samples_at=source.samples_until,
            warmup=WARMUP,
            updating=built.updating,
        )
        bare = {"torch": torch_step, "tensorflow": tensorflow_step}[framework](chosen)
        turns = Turns(bare, next(iter(source.batches(0))), observer.before_step)
        observer.start()
        train(observer, source, Plan(steps=total), finish=built.optimizer.finish, before_step=turns)
    ours, theirs = turns.ours[WARMUP:], turns.theirs[WARMUP : WARMUP + steps]
    ratios = [bare / own for bare, own in zip(theirs, ours, strict=True)]
    ratio = median(ratios)
    return {
        "framework": framework,
        "model": model,
        "algorithm": algorithm,
        "steps": steps,
        "ours_images_per_second": batch_size / statistics.median(ours),
        "bare_images_per_second": batch_size / statistics.median(theirs),
        "ratio": ratio.value,
        "ratio_95": [ratio.low, ratio.high],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("framework", choices=("torch", "tensorflow"))
    parser.add_argument("model")
    parser.add_argument("--algorithm", default="synchronous")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--image", type=int)
    given = parser.parse_args()
    print(json.dumps(compare(**vars(given))), flush=True)


if __name__ == "__main__":
    main()
