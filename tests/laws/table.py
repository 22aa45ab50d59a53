"""One row for every algorithm in CATALOGUE: what is promised of it, in terms that every driver can be asked about.

A new algorithm must enter, or `test_every_algorithm_has_entered` fails. The drivers' tests read the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import algorithms
from algorithms.contract import Algorithm


@dataclass(frozen=True, kw_only=True)
class Law:
    """Promises of one algorithm."""

    typical: Algorithm  # as a user would take it, small periods
    alone: Algorithm  # the limit in which one worker is the local optimizer
    equals_synchronous: tuple[Algorithm, ...] = ()  # limits that are Synchronous on any number of workers
    exact: bool = False  # those limits hold bit for bit in the virtual driver
    agrees: bool = True  # all workers hold equal parameters when training has ended
    memory: dict[Algorithm, float] = field(default_factory=dict)  # declared copies, from papers.md and the file itself
    per_exchange: float = 1.0  # times 2(n-1)/n parameter copies that one exchange sends
    loops: tuple[Algorithm, ...] = ()  # what users' loops are tried with, the usual first; none: the typical one
    invalid: tuple[dict[str, object], ...] = ()  # hyper-parameters that must be refused
    impossible: tuple[tuple[Algorithm, int], ...] = ()  # and clusters that must be


NAN = float("nan")

LAWS: dict[str, Law] = {
    "no_communication": Law(
        typical=algorithms.NoCommunication(),
        alone=algorithms.NoCommunication(),
        agrees=False,
        memory={algorithms.NoCommunication(): 0},
        per_exchange=0.0,
    ),
    "stock_horovod": Law(
        typical=algorithms.StockHorovod(),
        alone=algorithms.StockHorovod(),
        equals_synchronous=(algorithms.StockHorovod(),),
        exact=True,
        memory={algorithms.StockHorovod(): 0},
    ),
    "synchronous": Law(
        typical=algorithms.Synchronous(),
        alone=algorithms.Synchronous(overlap=True),
        equals_synchronous=(algorithms.Synchronous(overlap=True),),
        exact=True,
        loops=(algorithms.Synchronous(), algorithms.Synchronous(overlap=True)),
        memory={algorithms.Synchronous(): 0, algorithms.Synchronous(overlap=True): 0},
        invalid=({"overlap": 1}, {"overlap": None}),
    ),
    "layerwise": Law(
        typical=algorithms.LayerWise(),
        alone=algorithms.LayerWise(order="backward"),
        equals_synchronous=tuple(algorithms.LayerWise(order=o) for o in ("all", "backward", "completion", "forward")),
        exact=True,
        memory={algorithms.LayerWise(): 0},
        invalid=({"order": "sideways"}, {"order": 3}),
    ),
    "delayed": Law(
        typical=algorithms.Delayed(steps=2),
        alone=algorithms.Delayed(steps=0),
        equals_synchronous=(algorithms.Delayed(steps=0), algorithms.Delayed(steps=0, compensation=0.5)),
        exact=True,
        loops=(algorithms.Delayed(steps=1), algorithms.Delayed(steps=2, compensation=0.5)),
        memory={
            algorithms.Delayed(steps=0): 0,
            algorithms.Delayed(steps=3): 3,
            algorithms.Delayed(steps=3, compensation=0.1): 6,
        },
        invalid=({"steps": -1}, {"steps": 1.5}, {"steps": True}, {"compensation": NAN}, {"drain": "never"}),
    ),
    "backup_workers": Law(
        typical=algorithms.BackupWorkers(spares=1),
        alone=algorithms.BackupWorkers(spares=0),
        equals_synchronous=(algorithms.BackupWorkers(spares=0), algorithms.BackupWorkers(spares=0, give_up=True)),
        exact=True,
        loops=(algorithms.BackupWorkers(spares=1), algorithms.BackupWorkers(spares=0)),
        memory={
            algorithms.BackupWorkers(): 2,
            algorithms.BackupWorkers(give_up=True): 2,
            algorithms.BackupWorkers(averaging=0.9999): 3,
        },
        invalid=({"spares": -1}, {"spares": "2"}, {"give_up": 1}, {"averaging": 1.5}),
        impossible=((algorithms.BackupWorkers(spares=4), 4),),
    ),
    "asynchronous": Law(
        typical=algorithms.Asynchronous(),
        alone=algorithms.Asynchronous(max_staleness=0, ahead=False),
        agrees=False,
        loops=(
            algorithms.Asynchronous(),
            algorithms.Asynchronous(ahead=False, staleness_scaling=True, clip_norm=64.0),
        ),
        memory={
            algorithms.Asynchronous(): 3,
            algorithms.Asynchronous(ahead=False): 2,
            algorithms.Asynchronous(averaging=0.9): 4,
        },
        invalid=(
            {"max_staleness": -1},
            {"clip_norm": 0},
            {"clip_norm": NAN},
            {"staleness_scaling": "yes"},
            {"ahead": 1},
        ),
    ),
    "softsync": Law(
        typical=algorithms.SoftSync(gradients=2),
        alone=algorithms.SoftSync(gradients=1),
        agrees=False,
        memory={algorithms.SoftSync(): 2},
        invalid=({"gradients": 0}, {"gradients": 1.0}),
        impossible=((algorithms.SoftSync(gradients=5), 4),),
    ),
    "downpour": Law(
        typical=algorithms.Downpour(period=2),
        alone=algorithms.Downpour(period=3),
        agrees=False,
        memory={
            algorithms.Downpour(): 3,
            algorithms.Downpour(server_momentum=0.9): 4,
            algorithms.Downpour(server_momentum=0.9, average="moving"): 5,
        },
        invalid=({"period": 0}, {"server_momentum": 1.0}, {"average": "median"}, {"moving_rate": 0}),
    ),
    "elastic_averaging": Law(
        typical=algorithms.ElasticAveraging(period=2),
        alone=algorithms.ElasticAveraging(moving_rate=0.0),
        agrees=False,
        loops=(
            algorithms.ElasticAveraging(period=2),
            algorithms.ElasticAveraging(period=2, asynchronous=True),
            algorithms.ElasticAveraging(period=2, momentum=0.5),
        ),
        memory={algorithms.ElasticAveraging(): 2, algorithms.ElasticAveraging(momentum=0.9): 3},
        invalid=(
            {"period": 0},
            {"moving_rate": -0.1},
            {"momentum": 1},
            {"asynchronous": 2},
            {"order": "other"},
            {"overlap": 10},
            {"overlap": 1, "asynchronous": True},
        ),
        impossible=(
            (algorithms.ElasticAveraging(moving_rate=1.6), 4),
            (algorithms.ElasticAveraging(moving_rate=4.1, asynchronous=True), 4),
        ),
    ),
    "local_sgd": Law(
        typical=algorithms.LocalSGD(period=2),
        alone=algorithms.LocalSGD(period=3),
        equals_synchronous=(algorithms.LocalSGD(period=1), algorithms.LocalSGD(period=9, warmup=100)),
        memory={algorithms.LocalSGD(): 0, algorithms.LocalSGD(overlap=2): 2},
        invalid=({"period": 0}, {"warmup": -1}, {"overlap": 10}, {"overlap": 1, "warmup": 5}),
    ),
    "slowmo": Law(
        typical=algorithms.SlowMo(period=2),
        alone=algorithms.SlowMo(period=1, momentum=0.0),
        equals_synchronous=(algorithms.SlowMo(period=1, momentum=0.0),),
        memory={algorithms.SlowMo(): 2, algorithms.SlowMo(overlap=1): 4},
        invalid=({"period": 0}, {"momentum": 1}, {"rate": 0}, {"overlap": -1}),
    ),
    "diloco": Law(
        typical=algorithms.DiLoCo(period=2),
        alone=algorithms.DiLoCo(period=2, outer_rate=1.0, outer_momentum=0.0),
        equals_synchronous=(algorithms.DiLoCo(period=1, outer_rate=1.0, outer_momentum=0.0),),
        memory={algorithms.DiLoCo(): 2, algorithms.DiLoCo(overlap=1): 4},
        invalid=({"period": 0}, {"outer_rate": 0}, {"outer_momentum": float("inf")}, {"overlap": 500}),
    ),
    "adasum": Law(
        typical=algorithms.Adasum(),
        alone=algorithms.Adasum(),
        memory={algorithms.Adasum(): 1},
        impossible=((algorithms.Adasum(), 3),),
    ),
    "admm": Law(
        typical=algorithms.ADMM(),
        alone=algorithms.ADMM(penalty=1e-12),
        agrees=False,
        memory={algorithms.ADMM(): 3},
        invalid=({"penalty": 0}, {"penalty": NAN}),
    ),
}
