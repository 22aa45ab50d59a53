"""Records of rounds, as real processes write them, run again in the virtual driver."""

import numpy as np
import pytest

import algorithms
from algorithms.contract import Place
from algorithms.mechanisms.quorum.record import Contribution, RoundRecord, read, write
from algorithms.virtual import SGD, Cluster, LogNormal, Ring
from algorithms.virtual.events import Close, Computed, Drop, Offer, Read, Settle
from algorithms.virtual.replay import recording


def records_of(events, algorithm, workers):
    """What real processes would have written of these events: the converse of `recording`."""
    version, rounds = 0, []
    version_read, step, offered = [0] * workers, [0] * workers, {}
    dropped = []
    for event in events:
        match event:
            case Computed(worker, at):
                step[worker] = at + (0 if algorithm.departs != "step begins" else 1)
            case Offer(worker, read):
                assert read == version_read[worker]
                offered[worker] = Contribution(worker=worker, step=step[worker], read=version_read[worker])
            case Drop(worker):
                dropped.append(offered.pop(worker))
                if algorithm.waits:
                    version_read[worker] = version
            case Close(taken):
                rounds.append(
                    RoundRecord(round=version, taken=tuple(offered[w] for w in taken), dropped=tuple(dropped))
                )
                dropped, version = [], version + 1
            case Settle(worker) | Read(worker):
                version_read[worker] = version
    return rounds


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.BackupWorkers(spares=1),
        algorithms.Asynchronous(),
        algorithms.Asynchronous(max_staleness=2, staleness_scaling=True),
        algorithms.Asynchronous(ahead=False),
        algorithms.SoftSync(gradients=2),
        algorithms.Downpour(period=3, server_momentum=0.5),
        algorithms.ElasticAveraging(period=2, asynchronous=True),
        algorithms.ElasticAveraging(period=3, asynchronous=True, momentum=0.5, order="gradient_first"),
        algorithms.LocalSGD(period=3, overlap=1),
        algorithms.DiLoCo(period=2),
    ],
    ids=repr,
)
@pytest.mark.parametrize("seed", range(3))
def test_records_reproduce_the_centre(algorithm, seed, tmp_path):
    cluster = Cluster(
        workers=4,
        algorithm=algorithm,
        optimizer=SGD(learning_rate=0.1, momentum=0.5),
        parameters=np.ones(3),
        gradient=lambda worker, step, x: x * np.array([1.0, 0.5, 2.0]) - worker + np.sin(step),
        compute=LogNormal(),
        network=Ring(bandwidth=200.0),
        seed=seed,
    )
    trace = cluster.run(steps=18, keep_events=True)
    records = records_of(trace.recording.events, algorithm, 4)
    write(tmp_path / "rounds.jsonl", records)
    again = cluster.run(steps=18, replay=recording(algorithm, read(tmp_path / "rounds.jsonl"), 4))
    rounds = min(trace.rounds, again.rounds)
    assert rounds == len(records)
    assert np.array_equal(again.parameters[: rounds + 1], trace.parameters[: rounds + 1])
    assert again.staleness == trace.staleness
    assert again.used == trace.used
    if algorithm.optimizer_at is Place.CENTRE:
        assert sum(again.dropped) == sum(len(record.dropped) for record in records)


def test_a_gap_is_noticed():
    records = [RoundRecord(round=1, taken=())]
    with pytest.raises(ValueError, match="round 1 stands where round 0"):
        recording(algorithms.SoftSync(), records, 4)
