"""That a model is a model: limits, directions, closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

import algorithms
from algorithms.contract import Algorithm
from suite.simulate import Machines, Workload, predict
from tests.simulate.nets import ALEXNET, GOOGLENET, SMALL

EVERY: dict[str, Algorithm] = {
    **{name: kind() for name, kind in algorithms.CATALOGUE.items() if not kind.virtual_only and name != "softsync"},
    "softsync": algorithms.SoftSync(gradients=4),
    "overlap": algorithms.Synchronous(overlap=True),
    "layerwise all": algorithms.LayerWise(order="all"),
    "delayed 2": algorithms.Delayed(steps=2),
    "elastic asynchronous": algorithms.ElasticAveraging(period=4, asynchronous=True, moving_rate=0.5),
    "local_sgd overlap": algorithms.LocalSGD(period=4, overlap=2),
    "asynchronous behind": algorithms.Asynchronous(ahead=False),
    "backup gives up": algorithms.BackupWorkers(spares=1, give_up=True),
}
ANY = pytest.mark.parametrize("name", EVERY)
PERFECT = Machines(workers=8, gbit=math.inf, latency_us=0)


def seconds(workload: Workload, machines: Machines, algorithm: Algorithm, **more: object) -> float:
    return predict(workload, machines, algorithm, steps=60, **more).step_seconds.mean  # type: ignore[arg-type]


@ANY
def test_infinite_bandwidth_gives_the_ceiling(name: str) -> None:
    if name == "softsync":  # with 4 of 8 workers a round, and all alike, half of them are kept waiting for nothing
        pytest.skip("waits for rounds, not for the network")
    assert seconds(GOOGLENET, PERFECT, EVERY[name]) == pytest.approx(0.3, rel=1e-6)


@ANY
def test_one_worker_takes_the_local_step(name: str) -> None:
    algorithm = EVERY[name]
    if name == "softsync":
        algorithm = algorithms.SoftSync(gradients=1)
    elif "backup" in name:
        algorithm = algorithms.BackupWorkers(spares=0)
    elif "elastic" in name:
        algorithm = algorithms.ElasticAveraging(period=4, moving_rate=0.4)
    assert seconds(ALEXNET, Machines(workers=1, gbit=0.1), algorithm) == pytest.approx(0.6, rel=1e-9)


@ANY
@pytest.mark.parametrize("workload", [ALEXNET, GOOGLENET], ids=["alexnet", "googlenet"])
def test_a_slower_network_or_more_workers_never_make_a_step_shorter(name: str, workload: Workload) -> None:
    start = Machines(workers=8, gbit=1, latency_us=50)
    base = seconds(workload, start, EVERY[name])
    for slower in (
        replace(start, gbit=0.5),
        replace(start, latency_us=500),
        replace(start, message_us=2000),
        replace(start, workers=16),
    ):
        assert seconds(workload, slower, EVERY[name]) >= base * (1 - 1e-9)


@ANY
def test_the_network_shows_where_it_is_the_limit(name: str) -> None:
    if name == "no_communication":
        assert seconds(ALEXNET, Machines(workers=8, gbit=0.01), EVERY[name]) == pytest.approx(0.6)
        return
    slow = [seconds(ALEXNET, Machines(workers=8, gbit=rate, latency_us=50), EVERY[name]) for rate in (0.01, 0.02)]
    assert slow[0] > slow[1] * 1.2 > 0.6


@ANY
def test_stragglers_cost_something(name: str) -> None:
    machines = Machines(workers=8, gbit=10, latency_us=10)
    slowed = replace(machines, stragglers="exponential:mean=0.5x")
    assert seconds(SMALL, slowed, EVERY[name]) > 1.05 * seconds(SMALL, machines, EVERY[name])


@pytest.mark.parametrize("workers", [2, 3, 8, 64])
def test_a_blocking_exchange_is_the_closed_form_on_an_idle_network(workers: int) -> None:
    machines = Machines(workers=workers, gbit=1, latency_us=100, fusion_mb=1000)
    ring = 2 * (workers - 1) * (100e-6 + ALEXNET.parameter_bytes / workers / 125e6)
    assert machines.costs.seconds(ALEXNET.parameter_bytes) == pytest.approx(ring)
    found = predict(ALEXNET, machines, algorithms.Synchronous())
    assert found.step_seconds.mean == pytest.approx(0.6 + ring)
    assert found.exposed_seconds == pytest.approx(ring)


def test_what_is_hidden_behind_computing_is_the_longer_of_the_two() -> None:
    slow = Machines(workers=8, gbit=1, latency_us=0)
    wire = 2 * 7 / 8 * ALEXNET.parameter_bytes / 125e6
    assert seconds(ALEXNET, slow, algorithms.Delayed()) == pytest.approx(wire, rel=0.01)
    crossing = seconds(ALEXNET, slow, algorithms.LayerWise())
    assert wire < crossing < wire + 0.1 < seconds(ALEXNET, slow, algorithms.Synchronous())


def test_ranks_of_one_host_share_its_link_once_and_contention_is_felt() -> None:
    spread, packed = Machines(workers=8, gbit=10), Machines(workers=8, gbit=10, per_host=4)
    busy = replace(packed, contention=0.1)
    one = algorithms.Synchronous()
    assert seconds(ALEXNET, spread, one) == pytest.approx(seconds(ALEXNET, packed, one))
    assert seconds(ALEXNET, busy, one) > seconds(ALEXNET, packed, one)
    assert seconds(ALEXNET, replace(packed, per_host=8), one) < seconds(ALEXNET, packed, one)


@pytest.mark.parametrize(("wire", "scales"), [("fp16", 1e-12), ("int16", 1e-5)], ids=["fp16", "int16"])
def test_half_the_bytes_take_half_the_time(wire: str, scales: float) -> None:
    """Beside int16 travels a scale of four bytes for half a million numbers."""
    machines = Machines(workers=4, gbit=1, latency_us=0)
    full = predict(ALEXNET, machines, algorithms.Synchronous())
    half = predict(ALEXNET, machines, algorithms.Synchronous(), wire=wire)
    assert half.exposed_seconds == pytest.approx(full.exposed_seconds / 2, rel=scales)
    assert half.bytes_per_step == pytest.approx(full.bytes_per_step / 2, rel=scales)


@pytest.mark.parametrize("overlap", [False, True], ids=["blocking", "overlapped"])
def test_what_is_coded_travels_in_pieces_and_each_costs_something_of_its_own(overlap: bool) -> None:
    """1 MB each and three under way, of which two are fused; those of int16 have a scale ahead of them."""
    machines = Machines(workers=64, gbit=math.inf, latency_us=3000)
    exchanges = {
        wire: predict(ALEXNET, machines, algorithms.Synchronous(overlap=overlap), wire=wire).exposed_seconds
        / machines.costs.exchange
        for wire in ("none", "fp16", "int16")
    }
    pieces = ALEXNET.elements * 2 / (1 << 20)
    if not overlap:
        assert exchanges["none"] < 4
        assert pieces / 2 < exchanges["fp16"] < pieces
    assert exchanges["int16"] > 1.6 * exchanges["fp16"]


def test_rounds_cut_before_they_code() -> None:
    machines = Machines(workers=64, gbit=math.inf, latency_us=30)
    plain, half, scaled = (
        predict(ALEXNET, machines, algorithms.LocalSGD(period=1), wire=wire).exposed_seconds
        for wire in ("none", "fp16", "int16")
    )
    assert half == pytest.approx(plain)
    assert scaled > 2 * plain


def test_a_period_is_counted_whole() -> None:
    machines = Machines(workers=4, gbit=1, latency_us=0)
    every, tenth = (predict(ALEXNET, machines, algorithms.LocalSGD(period=period), steps=25) for period in (1, 10))
    assert tenth.exposed_seconds == pytest.approx(every.exposed_seconds / 10)
    assert tenth.step_seconds.typical == pytest.approx(0.6)
    assert tenth.bytes_per_step == pytest.approx(every.bytes_per_step / 10)


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.LocalSGD(period=4),
        algorithms.LocalSGD(period=4, overlap=2),
        algorithms.ElasticAveraging(period=4),
        algorithms.Delayed(steps=1),
        algorithms.LayerWise(),
    ],
    ids=repr,
)
def test_a_few_steps_are_as_long_as_many(algorithm: Algorithm) -> None:
    """What the first ones do not wait for, because nothing is under way yet, is no part of a run's speed."""
    machines = Machines(workers=4, gbit=0.5, latency_us=0)
    few, many = (predict(ALEXNET, machines, algorithm, steps=steps).step_seconds.mean for steps in (8, 400))
    assert few == pytest.approx(many)
