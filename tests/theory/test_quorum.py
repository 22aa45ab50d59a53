"""Backup workers, softsync, asynchronous SGD: who counts, how old, and how long it takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import algorithms
from algorithms.virtual import SGD, AdamW, Bimodal, Cluster, Exponential, Instant, LogNormal, Pareto, Ring, Slow


def quadratic(worker, step, x):
    return x - worker


def cluster(workers, algorithm, **options):
    defaults = {"optimizer": SGD(learning_rate=0.1), "parameters": np.ones(2), "gradient": quadratic}
    return Cluster(workers=workers, algorithm=algorithm, **(defaults | options))


# T11
@pytest.mark.parametrize(("needed", "spares"), [(100, 0), (96, 4), (100, 6)])
def test_order_statistics_under_exponential_times(needed, spares):
    """A step lasts as long as the N-th of N + b exponentials: H_{N+b} - H_b."""
    total = needed + spares
    expected = sum(1 / i for i in range(1, total + 1)) - sum(1 / i for i in range(1, spares + 1))
    assert expected == pytest.approx({0: 5.187, 4: 3.104, 6: 2.795}[spares], abs=1e-3)
    rounds = 1500  # the mean of the slowest of a hundred, the widest of the three, is then known to 0.6 %
    trace = cluster(
        total,
        algorithms.BackupWorkers(spares=spares, give_up=True),
        compute=Exponential(),
        parameters=np.ones(1),
        seed=1,
    ).run(steps=rounds, record=0)
    assert trace.seconds[-1] / rounds == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("compute", [Exponential(), LogNormal(), Pareto(), Bimodal(), Slow(worker=1, factor=5)])
@pytest.mark.parametrize("spares", [0, 1, 3])
def test_backup_workers_never_apply_stale_gradients_and_always_n(compute, spares):
    trace = cluster(6, algorithms.BackupWorkers(spares=spares), compute=compute, seed=5).run(steps=60, keep_events=True)
    assert set(trace.staleness) == {0}
    closes = [event for event in trace.recording.events if type(event).__name__ == "Close"]
    assert len(closes) == trace.rounds == 60
    assert all(len(close.taken) == len(set(close.taken)) == 6 - spares for close in closes)
    assert sum(trace.used) == 60 * (6 - spares)


@pytest.mark.parametrize("compute", [Exponential(), LogNormal(), Pareto(), Slow(worker=1, factor=5)])
@pytest.mark.parametrize("network", [Instant(), Ring(bandwidth=100.0)])
def test_where_late_workers_give_up_each_takes_one_step_a_round(compute, network):
    algorithm = algorithms.BackupWorkers(spares=2, give_up=True)
    trace = cluster(6, algorithm, compute=compute, network=network, seed=5).run(steps=60)
    assert set(trace.staleness) == {0}
    assert sum(trace.used) == 60 * 4
    assert [sum(ways) for ways in zip(trace.used, trace.dropped, trace.given_up, strict=True)] == [60] * 6
    assert sum(trace.given_up) > 0
    patient = cluster(6, algorithms.BackupWorkers(spares=2), compute=compute, network=network, seed=5).run(steps=60)
    assert sum(patient.given_up) == 0
    assert trace.seconds[-1] <= patient.seconds[-1]


def test_no_spares_is_synchronous():
    options = {"compute": LogNormal(), "optimizer": SGD(learning_rate=0.1, momentum=0.9)}
    backup = cluster(4, algorithms.BackupWorkers(spares=0), **options).run(steps=30)
    synchronous = cluster(4, algorithms.Synchronous(), **options).run(steps=30)
    assert np.array_equal(backup.parameters, synchronous.parameters)
    assert sum(backup.dropped) == 0


def test_the_sum_is_divided_by_the_workers_that_count():
    trace = cluster(4, algorithms.BackupWorkers(spares=1), compute=Slow(worker=3, factor=9)).run(steps=1)
    assert trace.parameters[1] == pytest.approx(1 - 0.1 * np.mean([1 - w for w in range(3)]))


def test_moving_average_is_what_evaluation_uses():
    trace = cluster(3, algorithms.BackupWorkers(spares=1, averaging=0.9)).run(steps=20)
    mean = trace.parameters[0]
    for theta in trace.parameters[1:]:
        mean = 0.9 * mean + 0.1 * theta
    assert trace.averages[-1] == pytest.approx(mean, rel=1e-12)


@given(bound=st.integers(0, 5), seed=st.integers(0, 50), workers=st.integers(2, 6))
@settings(max_examples=40, deadline=None)
def test_bounded_staleness(bound, seed, workers):
    algorithm = algorithms.Asynchronous(max_staleness=bound)
    trace = cluster(workers, algorithm, compute=LogNormal(), network=Ring(bandwidth=64.0), seed=seed).run(steps=15)
    assert not trace.staleness or max(trace.staleness) <= bound
    assert sum(trace.used) + sum(trace.dropped) == 15 * workers


@pytest.mark.parametrize(("ahead", "expected"), [(False, 7), (True, 8)])
def test_asynchronous_staleness_is_about_the_number_of_workers(ahead, expected):
    """The seven others; ahead, its own last one too, which was still travelling when it read the centre."""
    algorithm = algorithms.Asynchronous(ahead=ahead)
    trace = cluster(8, algorithm, compute=Exponential(), arrivals="serial", seed=2).run(steps=400, record=0)
    assert np.mean(trace.staleness) == pytest.approx(expected, rel=0.05)


def test_staleness_scaling_divides_by_the_age():
    events = (
        cluster(2, algorithms.Asynchronous(), compute=Slow(worker=1, factor=3.5))
        .run(steps=8, keep_events=True)
        .recording
    )
    ages = cluster(2, algorithms.Asynchronous()).run(steps=8, replay=events).staleness
    seen = []

    def gradient(worker, step, x):
        seen.append((worker, step))
        return np.ones(2)

    plain = cluster(2, algorithms.Asynchronous(), gradient=gradient).run(steps=8, replay=events)
    scaled = cluster(2, algorithms.Asynchronous(staleness_scaling=True), gradient=gradient).run(steps=8, replay=events)
    assert max(ages) > 1
    assert plain.parameters[0][0] - plain.parameters[-1][0] == pytest.approx(0.1 * len(ages))
    assert scaled.parameters[0][0] - scaled.parameters[-1][0] == pytest.approx(0.1 * sum(1 / max(1, a) for a in ages))


def test_clipping_is_by_the_global_norm():
    algorithm = algorithms.Asynchronous(clip_norm=1.0)
    trace = cluster(1, algorithm, gradient=lambda worker, step, x: np.array([3.0, 4.0])).run(steps=1)
    assert trace.parameters[1] == pytest.approx(1 - 0.1 * np.array([0.6, 0.8]))


def test_softsync_of_everybody_keeps_what_comes_late():
    """Nobody is late when all wait for all: then it is Synchronous."""
    soft = cluster(4, algorithms.SoftSync(gradients=4), compute=LogNormal()).run(steps=20)
    assert np.array_equal(soft.parameters, cluster(4, algorithms.Synchronous()).run(steps=20).parameters)
    late = cluster(4, algorithms.SoftSync(gradients=2), compute=Slow(worker=0, factor=3)).run(steps=20)
    assert sum(late.dropped) == 0
    assert max(late.staleness) > 0
    assert late.used == [20, 20, 20, 20]


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.BackupWorkers(spares=1),
        algorithms.BackupWorkers(spares=1, give_up=True),
        algorithms.Asynchronous(max_staleness=3),
        algorithms.SoftSync(gradients=2),
        algorithms.Downpour(period=3, server_momentum=0.5, average="moving"),
        algorithms.ElasticAveraging(period=2, asynchronous=True, momentum=0.5),
        algorithms.LocalSGD(period=4, overlap=2),
    ],
    ids=repr,
)
def test_recordings_replay_bit_for_bit(algorithm, tmp_path):
    from algorithms.virtual import Recording

    options = {"compute": LogNormal(), "network": Ring(bandwidth=100.0), "optimizer": AdamW(learning_rate=0.1)}
    original = cluster(4, algorithm, seed=9, **options).run(steps=20, keep_events=True)
    original.recording.save(tmp_path / "rounds.jsonl")
    loaded = Recording.load(tmp_path / "rounds.jsonl")
    assert loaded == original.recording
    again = cluster(4, algorithm, **(options | {"compute": Slow(worker=2)})).run(steps=20, replay=loaded)
    assert np.array_equal(again.parameters, original.parameters)
    assert np.array_equal(again.workers, original.workers)
    assert (again.staleness, again.used, again.dropped) == (original.staleness, original.used, original.dropped)
    (tmp_path / "broken").write_text("{}\n")
    with pytest.raises(ValueError, match="not a recording"):
        Recording.load(tmp_path / "broken")


# T12, T13 and the other averages
def test_downpour_of_one_is_sgd():
    for period in (1, 5):
        ours = cluster(1, algorithms.Downpour(period=period)).run(steps=20)
        alone = cluster(1, algorithms.NoCommunication()).run(steps=20)
        assert ours.workers[0] == pytest.approx(alone.workers[0], rel=1e-12)


def test_adownpour_is_the_arithmetic_mean():
    trace = cluster(3, algorithms.Downpour(period=2, average="running"), compute=Exponential()).run(steps=20)
    assert trace.averages[-1] == pytest.approx(np.mean(trace.parameters, axis=0), rel=1e-12)


def test_mvadownpour_moves_by_its_rate():
    trace = cluster(3, algorithms.Downpour(average="moving", moving_rate=0.25)).run(steps=10)
    z = trace.parameters[0]
    for x in trace.parameters[1:]:
        z = 0.75 * z + 0.25 * x
    assert trace.averages[-1] == pytest.approx(z, rel=1e-12)


def test_mdownpour_of_one_is_nesterov():
    common = {"gradient": lambda worker, step, x: np.array([1.0, 3.0]) * x}
    ours = cluster(1, algorithms.Downpour(server_momentum=0.9), optimizer=SGD(learning_rate=0.05), **common).run(
        steps=30
    )
    nesterov = SGD(learning_rate=0.05, momentum=0.9, nesterov=True)
    assert ours.parameters[-1] == pytest.approx(
        cluster(1, algorithms.NoCommunication(), optimizer=nesterov, **common).run(steps=30).parameters[-1], rel=1e-12
    )


def test_downpour_conserves_displacements():
    """The centre has moved by the sum of everybody's local displacements."""
    trace = cluster(
        4, algorithms.Downpour(period=3), compute=Exponential(), gradient=lambda w, s, x: np.full(2, float(w)), seed=4
    ).run(steps=9)
    assert trace.parameters[-1] == pytest.approx(1 - 0.1 * 9 * sum(range(4)), rel=1e-12)


@given(
    workers=st.integers(1, 6),
    seed=st.integers(0, 10**6),
    steps=st.integers(0, 12),
    bandwidth=st.sampled_from([10.0, 1e3, 1e9]),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_every_offer_ends_somewhere_and_every_worker_finishes(workers, seed, steps, bandwidth, data):
    choices = [
        algorithms.BackupWorkers(spares=data.draw(st.integers(0, workers - 1)), give_up=data.draw(st.booleans())),
        algorithms.SoftSync(gradients=data.draw(st.integers(1, workers))),
        algorithms.Asynchronous(max_staleness=data.draw(st.sampled_from([None, 0, 2]))),
        algorithms.Downpour(period=data.draw(st.integers(1, 5))),
        algorithms.ElasticAveraging(period=data.draw(st.integers(1, 5)), asynchronous=True, moving_rate=0.5),
        algorithms.ElasticAveraging(period=3, overlap=data.draw(st.integers(0, 2)), moving_rate=0.5),
        algorithms.LocalSGD(period=4, warmup=2, overlap=data.draw(st.integers(0, 3)))
        if steps > 99
        else algorithms.LocalSGD(),
        algorithms.SlowMo(period=3, overlap=data.draw(st.integers(0, 2))),
    ]
    algorithm = data.draw(st.sampled_from(choices))
    trace = cluster(workers, algorithm, compute=LogNormal(), network=Ring(bandwidth=bandwidth), seed=seed).run(
        steps=steps, keep_events=True
    )
    offers = sum(type(event).__name__ == "Offer" for event in trace.recording.events)
    assert sum(trace.used) + sum(trace.dropped) == offers
    assert trace.seconds == sorted(trace.seconds)
    if algorithm.tagged:
        assert trace.rounds == steps
    else:
        computed = sum(type(event).__name__ == "Computed" for event in trace.recording.events)
        assert computed == steps * workers
