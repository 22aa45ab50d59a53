"""Gradient-descent algorithms that differ in how gradients travel. `CATALOGUE` names them all."""

from algorithms.adasum import Adasum
from algorithms.admm import ADMM
from algorithms.asynchronous import Asynchronous
from algorithms.backup_workers import BackupWorkers
from algorithms.contract import Algorithm
from algorithms.delayed import Delayed
from algorithms.diloco import DiLoCo
from algorithms.downpour import Downpour
from algorithms.elastic_averaging import ElasticAveraging
from algorithms.layerwise import LayerWise
from algorithms.local_sgd import LocalSGD
from algorithms.no_communication import NoCommunication
from algorithms.slowmo import SlowMo
from algorithms.softsync import SoftSync
from algorithms.stock_horovod import StockHorovod
from algorithms.synchronous import Synchronous

CATALOGUE: dict[str, type[Algorithm]] = {
    "no_communication": NoCommunication,
    "stock_horovod": StockHorovod,
    "synchronous": Synchronous,
    "layerwise": LayerWise,
    "delayed": Delayed,
    "backup_workers": BackupWorkers,
    "asynchronous": Asynchronous,
    "softsync": SoftSync,
    "downpour": Downpour,
    "elastic_averaging": ElasticAveraging,
    "local_sgd": LocalSGD,
    "slowmo": SlowMo,
    "diloco": DiLoCo,
    "adasum": Adasum,
    "admm": ADMM,
}

__all__ = [
    "ADMM",
    "CATALOGUE",
    "Adasum",
    "Algorithm",
    "Asynchronous",
    "BackupWorkers",
    "Delayed",
    "DiLoCo",
    "Downpour",
    "ElasticAveraging",
    "LayerWise",
    "LocalSGD",
    "NoCommunication",
    "SlowMo",
    "SoftSync",
    "StockHorovod",
    "Synchronous",
]
