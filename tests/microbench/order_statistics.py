"""Rounds with backup workers beside the theory, from the records of `farandole bench order-statistics`. Lines of JSON.

    python -m tests.microbench.order_statistics results

Measured: seconds per step. Order statistic: the virtual cluster with the delays that were asked for, late workers giving
up at once, as the theory has it, and a round that costs what a synchronous step was measured to cost beyond its slowest
rank. Patient: the same where late workers finish what they began.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from algorithms.backup_workers import BackupWorkers
from algorithms.virtual import SGD, Cluster
from algorithms.virtual.compute import Recorded
from algorithms.virtual.network import Ring
from suite.record.schema import Record
from suite.record.store import Store

WARMUP = 4


def times(record: Record) -> np.ndarray:
    """Compute and injected delay, by rank and step."""
    replay = record.specification.model.replay
    assert replay is not None and replay.forward is not None and replay.backward is not None
    return np.array([rank.injected_asked for rank in record.ranks]) + replay.forward + replay.backward


def simulated(record: Record, spares: int, overhead: float, give_up: bool) -> float:
    cluster = Cluster(
        workers=len(record.ranks),
        algorithm=BackupWorkers(spares=spares, give_up=give_up),
        optimizer=SGD(learning_rate=0.0),
        parameters=np.zeros(1),
        gradient=lambda worker, step, w: w,
        compute=Recorded(seconds=times(record).tolist()),
        network=Ring(latency=overhead / (2 * (len(record.ranks) - 1))),
    )
    seconds = cluster.run(steps=len(record.ranks[0].steps.seconds)).seconds
    return float(np.diff(seconds[WARMUP:]).mean())


if __name__ == "__main__":
    found = defaultdict(list)
    for record in Store(Path(sys.argv[1])).read("order-statistics").records:
        if record.finished:
            found[int(record.specification.algorithm.options.get("spares", 0))].append(record)
    steps = {
        spares: np.mean([rank.steps.seconds for one in records for rank in one.ranks])
        for spares, records in found.items()
    }
    overhead = float(steps[0] - np.mean([times(one).max(axis=0).mean() for one in found[0]]))
    for spares, records in sorted(found.items()):
        theory, patient = (
            np.mean([simulated(one, spares, overhead, give_up) for one in records]) for give_up in (True, False)
        )
        figures = {"measured": steps[spares], "order_statistic": theory, "patient": patient}
        print(
            json.dumps({"spares": spares, "runs": len(records), **{k: round(float(v), 4) for k, v in figures.items()}})
        )
