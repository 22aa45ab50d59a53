"""hclhkbu/B-Caffe, logdata/ (2018): GoogLeNet, 64 images a K80, 10GbE, MPI; the all-reduce of every tensor was logged."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import algorithms
from suite.simulate.carrying import carry
from suite.simulate.machines import Machines
from suite.simulate.predicting import predict
from suite.simulate.published.check import Check, Row
from suite.simulate.wires import named
from suite.simulate.workload import ITEM, Layer, Workload

FILE = Path(__file__).with_name("googlenet_layers_k80_10gbe.csv")
FITTED_ON = 2
OVERLAPPED = algorithms.Synchronous(overlap=True)


@dataclass(frozen=True)
class Log:
    """Of so many nodes: elements of each tensor, seconds of its layer's backward and of its exchange."""

    nodes: int
    name: str
    elements: tuple[int, ...]
    backward: tuple[float, ...]
    exchange: tuple[float, ...]

    @property
    def workload(self) -> Workload:
        """Two tensors to a layer. Nobody logged forward: what is compared here begins with backward."""
        pairs = zip(self.elements[::2], self.elements[1::2], self.backward[::2], strict=True)
        layers = tuple(
            Layer(forward_seconds=0.0, backward_seconds=seconds, shapes=((first,), (second,)))
            for first, second, seconds in pairs
        )
        return Workload(layers=layers, name="googlenet", source=self.name)


def logs(path: Path = FILE) -> list[Log]:
    rows: dict[tuple[int, str], list[Mapping[str, str]]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows[int(row["nodes"]), row["log"]].append(row)
    return [
        Log(
            nodes,
            name,
            tuple(int(row["elements"]) for row in found),
            tuple(float(row["backward_us"]) * 1e-6 for row in found),
            tuple(float(row["allreduce_us"]) * 1e-6 for row in found),
        )
        for (nodes, name), found in rows.items()
    ]


def machines(nodes: int, values: Mapping[str, float]) -> Machines:
    return Machines(
        workers=nodes,
        gbit=10 * max(values["share of the rate"], 1e-6),
        latency_us=values["us a hop"],
        collective="halving_doubling",
    )


def checks(path: Path = FILE) -> list[Check]:
    """Every log of more nodes than were fitted on is predicted, with the backward times of the small one."""
    found = logs(path)
    small = next(log for log in found if log.nodes == FITTED_ON)
    values = _line(small)
    rows = []
    for log in found:
        cluster = machines(log.nodes, values)
        exchanges = carry(small.workload, cluster, OVERLAPPED, named("none"), "tensors").total
        blocking = small.workload.step_seconds + exchanges
        layered = predict(small.workload, cluster, OVERLAPPED, plan="tensors").step_seconds.mean
        for what, seen, said in (
            ("all exchanges", sum(log.exchange), exchanges),
            ("layer by layer", _finish(log), layered),
            ("blocking", sum(log.backward[::2]) + sum(log.exchange), blocking),
        ):
            rows.append(Row(f"{what} ({log.name})", log.nodes, seen, said, log.nodes == FITTED_ON))
    return [
        Check("GoogLeNet per layer, from the start of backward", "hclhkbu/B-Caffe, 2018", values, tuple(rows), 0.12)
    ]


def _line(log: Log) -> dict[str, float]:
    """A straight line through all exchanges, so that their sum is right: what an exchange costs, and what a byte does."""
    sizes = np.array(log.elements, dtype=np.float64) * ITEM
    (each, byte), *_ = np.linalg.lstsq(
        np.column_stack([np.ones(len(sizes)), sizes]), np.array(log.exchange), rcond=None
    )
    one = machines(log.nodes, {"us a hop": 1.0, "share of the rate": 1.0}).costs
    return {"us a hop": float(each / one.exchange), "share of the rate": float(one.per_byte / byte)}


def _finish(log: Log) -> float:
    """Seconds from the start of backward until the last exchange has ended, each as long as it was logged."""
    ready = wire = 0.0
    for layer in reversed(range(len(log.elements) // 2)):
        ready += log.backward[2 * layer]
        wire = max(wire, ready) + log.exchange[2 * layer] + log.exchange[2 * layer + 1]
    return wire
