"""uoguelph-mlrg/Theano-MPI (README, arXiv 1605.08325): seconds per 5,120 images on up to 8 K80 of one host, parameters
exchanged as fp16 over NCCL. The published speed-ups leave out the time that ranks waited.
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

IMAGES = 5120
# Of each net: images a worker takes at once; by workers, seconds of training, of exchanges, of waiting.
NETS: dict[str, tuple[int, dict[int, tuple[float, float, float]]]] = {
    "alexnet": (128, {1: (20.50, 0, 0), 2: (10.35, 0.78, 1.06), 4: (5.13, 0.54, 2.09), 8: (2.63, 0.61, 3.03)}),
    "googlenet": (32, {1: (63.89, 0, 0), 2: (31.40, 1.00, 2.89), 4: (15.51, 0.71, 1.30), 8: (7.69, 0.80, 0.61)}),
}
FITTED_ON = (1, 2)
WHY = (
    "waiting for one another grows from 2 to 8 workers of AlexNet by 11 times a step, which no spread of compute times "
    "does: the ranks read images from the same disk and host memory. The model does not have that."
)


def checks() -> list[Check]:
    return [check for name, (batch, table) in NETS.items() for check in _of(name, batch, table)]


def _of(name: str, batch: int, table: Mapping[int, tuple[float, float, float]]) -> list[Check]:
    found = []
    for waiting in (False, True):
        observed = {
            workers: (training + exchanging + (idle if waiting else 0.0)) * batch * workers / IMAGES
            for workers, (training, exchanging, idle) in table.items()
        }
        compute = observed[1]
        net = Workload.from_net(describe(name), step_seconds=compute, batch=batch)
        unknowns = {"Gbit/s in the host": Unknown(50.0)}
        if waiting:
            unknowns["jitter"] = Unknown(0.1, most=1.0)
        spread = table[2][2] * 2 * batch / IMAGES

        def simulated(values: Mapping[str, float], workers: int, net: Workload = net) -> float:
            machines = Machines(
                workers=workers,
                per_host=workers,
                local_gbit=max(values["Gbit/s in the host"], 1e-6),
                jitter=values.get("jitter", 0.0),
            )
            return predict(net, machines, algorithms.Synchronous(), wire="fp16", steps=2000).step_seconds.mean

        exchange = table[2][1] * 2 * batch / IMAGES
        wanted = [compute + exchange] + ([compute + exchange + spread] if waiting else [])
        if waiting:
            values = fit(
                unknowns, wanted, lambda values: [simulated({**values, "jitter": 0.0}, 2), simulated(values, 2)]
            )
        else:
            values = fit(unknowns, wanted, lambda values: [simulated(values, 2)])
        rows = tuple(
            Row("with waiting" if waiting else "without waiting", workers, seconds, simulated(values, workers), one)
            for workers, seconds in observed.items()
            for one in [workers in FITTED_ON]
        )
        title = f"{name}, {batch} images a K80, " + ("waiting counted" if waiting else "as published, waiting left out")
        found.append(
            Check(
                title, "Theano-MPI, 2016", values, rows, target=0.12, why=WHY if waiting and name == "alexnet" else ""
            )
        )
    return found
