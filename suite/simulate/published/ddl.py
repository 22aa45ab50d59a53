"""HKBU-HPML/ddl-benchmarks, results/2020-05-29: ResNet-50, 64 images a GPU, 4 GPUs a node; images per second."""

from __future__ import annotations

from collections.abc import Mapping

import algorithms
from suite.models import describe
from suite.simulate.fitting import Unknown, fit
from suite.simulate.machines import Machines
from suite.simulate.predicting import predict
from suite.simulate.published.check import Check, Row
from suite.simulate.workload import Workload

BATCH, PER_HOST = 64, 4
OVERLAPPED = algorithms.Synchronous(overlap=True)
METHODS = {
    "blocking": (algorithms.Synchronous(), "whole", 0.03),
    "layer-wise": (OVERLAPPED, "tensors", 0.12),
    "merged": (OVERLAPPED, "merged", 0.08),
}
# Four GPUs are one node, whatever joins the nodes.
ONE_NODE = {"blocking": 925.0, "layer-wise": 1015.4, "merged": 1003.2}
# Of each network: Gbit/s, the microseconds that a hop takes on such networks in general, images per second.
NETWORKS: dict[str, tuple[float, float, dict[int, dict[str, float]]]] = {
    "10GbE": (
        10.0,
        25.0,
        {
            8: {"blocking": 1282.3, "layer-wise": 1795.7, "merged": 1980.6},
            16: {"blocking": 2485.1, "layer-wise": 3146.8, "merged": 3785.0},
        },
    ),
    "100GbIB": (
        100.0,
        3.0,
        {
            8: {"blocking": 1821.2, "layer-wise": 2017.1, "merged": 2001.7},
            16: {"blocking": 3602.9, "layer-wise": 3946.1, "merged": 3987.4},
            32: {"blocking": 7126.5, "layer-wise": 7326.6, "merged": 7876.5},
        },
    ),
}
FITTED_ON = (4, 8)


def checks() -> list[Check]:
    return [_check(name, *NETWORKS[name]) for name in NETWORKS]


def _check(name: str, gbit: float, hop_us: float, rates: Mapping[int, Mapping[str, float]]) -> Check:
    observed = {
        (workers, method): workers * BATCH / rate
        for workers, row in {4: ONE_NODE, **rates}.items()
        for method, rate in row.items()
    }
    net = Workload.from_net(describe("resnet-50"), step_seconds=0.25, batch=BATCH)
    used = [place for place in observed if place[0] in FITTED_ON]
    unknowns = {
        "seconds of computing": Unknown(0.25),
        "share of the rate": Unknown(0.9, most=1.0),
        "Gbit/s in a node": Unknown(50.0),
        "us a hop": Unknown(hop_us),
        "us a hop in a node": Unknown(5.0),
    }

    def simulated(values: Mapping[str, float], place: tuple[int, str]) -> float:
        workers, method = place
        machines = Machines(
            workers=workers,
            per_host=PER_HOST,
            gbit=gbit * max(values["share of the rate"], 1e-6),
            latency_us=values["us a hop"],
            local_gbit=max(values["Gbit/s in a node"], 1e-6),
            local_latency_us=values["us a hop in a node"],
        )
        algorithm, plan, _ = METHODS[method]
        workload = net.lasting(max(values["seconds of computing"], 1e-6))
        return predict(workload, machines, algorithm, plan=plan).step_seconds.mean

    found = fit(unknowns, [observed[place] for place in used], lambda values: [simulated(values, one) for one in used])
    rows = tuple(
        Row(method, workers, seconds, simulated(found, (workers, method)), workers in FITTED_ON)
        for (workers, method), seconds in observed.items()
    )
    return Check(f"ResNet-50 on {name}", "HKBU-HPML/ddl-benchmarks, 2020", found, rows, target=0.12)
