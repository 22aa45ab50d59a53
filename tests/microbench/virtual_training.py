"""Gradients per second of bare passes and of the virtual cluster around them, in CPU seconds, side by side in one run.

    python -m tests.microbench.virtual_training [net ...]

The same gradients in the same batches; bare is `FlatNet.gradient` and nothing else. CPU time, because another process on
the machine stretches any other.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from suite.cluster.virtual import VirtualNetwork
from suite.experiment import choices
from suite.record.specification import Data, Model, Specification
from suite.virtual.training_torch import prepare, train
from tests.virtual.small import job

NETS = {
    "tiny-cnn": (Model(name="tiny-cnn", image=8), "digits", 20),
    "lenet": (Model(name="lenet", image=28), "digits", 4),
    "alexnet": (Model(name="alexnet", image=28, width=0.125), "digits", 2),
    "googlenet": (Model(name="googlenet", image=28, width=0.25), "digits", 1),
}
ALGORITHMS = {"synchronous": {}, "asynchronous": {"ahead": False}}


def measure(net: str, algorithm: str, workers: int) -> tuple[int, float, float]:
    """How many gradients, seconds bare, seconds in the cluster."""
    model, data, steps = NETS[net]
    specification = Specification(
        framework="torch",
        model=choices.resolve_model(model, data),
        algorithm=choices.written_out(choices.make_algorithm(algorithm, ALGORITHMS[algorithm])),
        data=Data(name=data),
        workers=workers,
        network=VirtualNetwork(compute_seconds=0.1),
        straggler="lognormal:sigma=0.5",
        batch_size=14 if workers == 100 else 16,  # of 1437 samples
        steps=steps,
        warmup=0,
    )
    prepared = prepare(specification)
    passes = []
    pass_of = prepared.net.gradient

    def noted(vector, portions):  # type: ignore[no-untyped-def]
        passes.append((vector, portions))
        return pass_of(vector, portions)

    prepared.net.gradient = noted  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        train(prepared, job(specification, Path(folder) / "first"), processes=1)  # and warm
        prepared.net.gradient = pass_of  # type: ignore[method-assign]
        prepared.batches.begun.clear()
        marks: list[float] = []
        # From the first event on: what a run costs once, whatever its length, is no part of a rate.
        train(
            prepared,
            job(specification, Path(folder) / "second"),
            lambda _: marks.append(time.process_time()),
            processes=1,
        )
        clustered = time.process_time() - marks[0]
    began = time.process_time()
    for vector, portions in passes:
        pass_of(vector, portions)
    bare = time.process_time() - began
    return sum(len(portions) for _, portions in passes), bare, clustered


def main(nets: list[str]) -> None:
    for net in nets or list(NETS):
        for algorithm in ALGORITHMS:
            for workers in (32, 100):
                count, bare, clustered = measure(net, algorithm, workers)
                print(
                    f"{net:10} {algorithm:13} {workers:4} workers: {count / bare:8.1f} gradients/s bare, "
                    f"{count / clustered:8.1f} in the cluster, {clustered / bare - 1:+.1%}",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:])
