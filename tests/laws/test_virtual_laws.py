"""The laws of the table, asked of the virtual driver."""

import doctest
import importlib

import numpy as np
import pytest

import algorithms
from algorithms.contract import Exchange, Rounds
from algorithms.virtual import SGD, AdamW, Cluster, LogNormal
from tests.laws.table import LAWS

NAMES = list(algorithms.CATALOGUE)
CURVATURE = np.array([1.0, 0.5, 2.0])


def gradient(worker, step, x):
    return CURVATURE * (x - worker) + 0.1 * np.cos(step)


def run(algorithm, workers, steps=24, **options):
    defaults = {
        "optimizer": SGD(learning_rate=0.05, momentum=0.0 if algorithm.name == "admm" else 0.5),
        "parameters": np.array([1.0, -1.0, 2.0]),
        "gradient": gradient,
        "arrivals": "round_robin" if algorithm.name == "admm" else "time",
    }
    return Cluster(workers=workers, algorithm=algorithm, **(defaults | options)).run(steps=steps)


def test_every_algorithm_has_entered():
    assert list(LAWS) == NAMES
    for name, law in LAWS.items():
        assert type(law.typical) is type(law.alone) is algorithms.CATALOGUE[name]
        assert law.typical.name == name
        assert isinstance(law.typical, Exchange | Rounds)


@pytest.mark.parametrize("name", NAMES)
def test_one_worker_is_the_local_optimizer(name):
    for optimizer in (SGD(learning_rate=0.05, momentum=0.0 if name == "admm" else 0.5), AdamW(learning_rate=0.01)):
        if name == "admm" and isinstance(optimizer, AdamW):
            continue  # its equations hold plain SGD
        ours = run(LAWS[name].alone, 1, optimizer=optimizer)
        alone = run(algorithms.NoCommunication(), 1, optimizer=optimizer)
        # Deltas and means are formed and undone, which rounds; so does dividing by 1 + 1e-12 in ADMM.
        assert ours.workers[0] == pytest.approx(alone.workers[0], rel=1e-10 if name == "admm" else 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_limits_are_synchronous(name):
    law = LAWS[name]
    # Averaging models averages gradients only where the optimizer has no state of its own.
    optimizer = SGD(learning_rate=0.05, momentum=0.5 if law.exact else 0.0)
    for limit in law.equals_synchronous:
        ours = run(limit, 4, optimizer=optimizer, compute=LogNormal())
        reference = run(algorithms.Synchronous(), 4, optimizer=optimizer)
        if law.exact:
            assert np.array_equal(ours.parameters, reference.parameters)
        else:
            assert ours.parameters == pytest.approx(np.array(reference.parameters), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_replicas_agree_where_promised(name):
    trace = run(LAWS[name].typical, 4, compute=LogNormal(), arrivals="round_robin" if name == "admm" else "time")
    spread = np.ptp(trace.workers, axis=0).max()
    assert (spread == 0) == LAWS[name].agrees


@pytest.mark.parametrize("name", NAMES)
def test_declared_memory_and_bytes(name):
    law = LAWS[name]
    assert law.memory, "declare what it costs"
    for algorithm, copies in law.memory.items():
        assert algorithm.memory() == copies
    for workers in (2, 4):
        trace = run(law.typical, workers)
        exchanges = trace.rounds + (0 if isinstance(law.typical, Rounds) else 24 - trace.rounds)
        expected = law.per_exchange * 2 * (workers - 1) / workers * 3 * 8
        assert trace.bytes_sent == pytest.approx(exchanges * expected)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_out_of_range_is_refused(name):
    for options in LAWS[name].invalid:
        with pytest.raises(ValueError, match=next(iter(options))) as refusal:
            algorithms.CATALOGUE[name](**options)
        assert repr(next(iter(options.values()))) in str(refusal.value)
        assert "must be" in str(refusal.value)
    for algorithm, workers in LAWS[name].impossible:
        with pytest.raises(ValueError, match=r"must be|unstable"):
            run(algorithm, workers)


@pytest.mark.parametrize("name", NAMES)
def test_runs_are_deterministic_for_a_seed(name):
    first, second = (run(LAWS[name].typical, 4, compute=LogNormal(), seed=3) for _ in range(2))
    assert np.array_equal(first.parameters, second.parameters)
    assert first.seconds == second.seconds


@pytest.mark.parametrize("name", NAMES)
def test_the_example_in_the_docstring(name):
    module = importlib.import_module(f"algorithms.{name}")
    result = doctest.testmod(module)
    assert result.attempted >= 3
    assert result.failed == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda worker, step, x: x[:2], "worker 1 at step 2 has shape"),
        (lambda worker, step, x: x * np.nan, "worker 1 at step 2 is not finite"),
        (lambda worker, step, x: x / [], "worker 1 at step 2 raised"),
    ],
)
def test_a_bad_gradient_is_named(name, broken, message):
    def sometimes(worker, step, x):
        return broken(worker, step, x) if (worker, step) == (1, 2) else gradient(worker, step, x)

    with pytest.raises((ValueError, RuntimeError), match=message):
        run(LAWS[name].typical, 4, gradient=sometimes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers=0"),
        ({"parameters": np.ones((2, 2))}, "one finite vector"),
        ({"parameters": np.array([1, 2])}, "one finite vector"),
        ({"parameters": np.array([1.0, np.inf])}, "one finite vector"),
        ({"layers": (1, 1)}, "layers="),
        ({"arrivals": "alphabetical"}, "arrivals="),
        ({"arrivals": "serial", "algorithm": algorithms.BackupWorkers()}, "arrivals='serial'"),
        ({"arrivals": "round_robin", "algorithm": algorithms.LocalSGD()}, "arrivals='round_robin'"),
        ({"algorithm": "synchronous"}, "algorithm='synchronous'"),
    ],
)
def test_an_impossible_cluster_is_refused_when_it_is_made(options, message):
    defaults = {
        "workers": 4,
        "algorithm": algorithms.Synchronous(),
        "optimizer": SGD(),
        "parameters": np.ones(3),
        "gradient": gradient,
    }
    with pytest.raises(ValueError, match=message):
        Cluster(**(defaults | options))
