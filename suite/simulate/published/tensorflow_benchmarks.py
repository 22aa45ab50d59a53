"""TensorFlow's benchmarks of May 2017, synthetic images: images per second on 1 to 8 GPUs of one host, variables
replicated with NCCL (DGX-1) or on parameter servers in the host (K80).
"""

from __future__ import annotations

from collections.abc import Mapping

import algorithms
from suite.models import describe
from suite.simulate.fitting import Unknown, fit
from suite.simulate.machines import Machines
from suite.simulate.predicting import predict
from suite.simulate.published.check import Check, Row
from suite.simulate.workload import Workload

FITTED_ON = (1, 2, 4)
WORKERS = (1, 2, 4, 8)
# Net and machine: images a GPU, images per second on 1, 2, 4 and 8.
TABLE: dict[tuple[str, str], tuple[int, tuple[float, float, float, float]]] = {
    ("alexnet", "P100 DGX-1"): (512, (2987, 5658, 10509, 17822)),
    ("alexnet", "K80 GCE"): (512, (656, 1209, 2328, 4640)),
    ("alexnet", "K80 EC2"): (512, (684, 1244, 2479, 4853)),
    ("vgg-16", "P100 DGX-1"): (64, (154, 295, 584, 1081)),
    ("vgg-16", "K80 GCE"): (32, (35.4, 64.8, 120, 234)),
    ("vgg-16", "K80 EC2"): (32, (36.3, 69.4, 141, 260)),
    ("inception-v3", "P100 DGX-1"): (64, (142, 284, 569, 1131)),
    ("inception-v3", "K80 GCE"): (64, (30.5, 57.8, 116, 227)),
    ("inception-v3", "K80 EC2"): (64, (30.8, 58.7, 117, 230)),
    ("resnet-50", "P100 DGX-1"): (64, (219, 422, 852, 1734)),
    ("resnet-50", "K80 GCE"): (64, (51.9, 99, 195, 387)),
    ("resnet-50", "K80 EC2"): (64, (51.5, 98, 195, 384)),
}


def checks() -> list[Check]:
    return [_check(*place, *numbers) for place, numbers in TABLE.items()]


def _check(net: str, host: str, batch: int, rates: tuple[float, float, float, float]) -> Check:
    observed = {workers: workers * batch / rate for workers, rate in zip(WORKERS, rates, strict=True)}
    workload = Workload.from_net(describe(net), step_seconds=observed[1], batch=batch)

    def simulated(values: Mapping[str, float], workers: int) -> float:
        machines = Machines(
            workers=workers,
            per_host=workers,
            local_gbit=max(values["Gbit/s in the host"], 1e-6),
            contention=values["contention"],
        )
        # What is exposed grows with the bytes of the ring and with how many are at the same memory.
        return predict(workload, machines, algorithms.Synchronous()).step_seconds.mean

    used = [workers for workers in FITTED_ON if workers > 1]
    values = fit(
        {"Gbit/s in the host": Unknown(100.0), "contention": Unknown(0.05, most=1.0)},
        [observed[workers] for workers in used],
        lambda values: [simulated(values, workers) for workers in used],
    )
    rows = tuple(
        Row(f"{net}, {host}", workers, seconds, simulated(values, workers), workers in FITTED_ON)
        for workers, seconds in observed.items()
    )
    return Check(f"{net}, {batch} images, {host}", "TensorFlow benchmarks, 2017", values, rows, target=0.12)
