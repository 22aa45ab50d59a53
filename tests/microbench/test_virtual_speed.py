"""How fast the virtual driver is: 256 workers, 1,000 steps, 10,000 parameters, for every algorithm."""

import resource

import numpy as np
import pytest

from algorithms.virtual import SGD, Cluster, LogNormal
from tests.laws.table import LAWS


def gradient(worker, step, x):
    return x


def cluster(algorithm, workers, size, optimizer=None):
    admm = algorithm.name == "admm"
    return Cluster(
        workers=workers,
        algorithm=algorithm,
        optimizer=optimizer or SGD(learning_rate=1e-6, momentum=0.0 if admm else 0.9),
        parameters=np.ones(size, dtype=np.float32),
        gradient=gradient,
        compute=LogNormal(),
        arrivals="round_robin" if admm else "time",
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", list(LAWS))
def test_256_workers_1000_steps_10000_parameters(benchmark, name):
    run = cluster(LAWS[name].typical, 256, 10_000).run
    benchmark.pedantic(run, kwargs={"steps": 1000, "record": 0}, rounds=1)
    assert benchmark.stats["max"] < 30


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["asynchronous", "backup_workers", "elastic_averaging", "delayed"])
def test_cost_of_an_event_does_not_grow_with_the_run(benchmark, name):
    """Three times the steps in at most 3.6 times the time."""
    short = cluster(LAWS[name].typical, 16, 100)

    def both():
        import time

        marks = [time.perf_counter()]
        for steps in (2_000, 6_000):
            short.run(steps=steps, record=0)
            marks.append(time.perf_counter())
        return (marks[2] - marks[1]) / (marks[1] - marks[0])

    assert benchmark.pedantic(both, rounds=1, warmup_rounds=1) < 3.6


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["synchronous", "asynchronous", "elastic_averaging", "diloco"])
def test_4096_workers_stay_within_4_gib(benchmark, name):
    benchmark.pedantic(cluster(LAWS[name].typical, 4096, 1000).run, kwargs={"steps": 100, "record": 1}, rounds=1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 1024**2  # KiB on Linux
