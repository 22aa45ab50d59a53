"""The virtual driver: N workers in virtual time in one process, in NumPy. It is the reference for the others."""

from algorithms.virtual.cluster import Cluster
from algorithms.virtual.compute import Bimodal, Compute, Constant, Exponential, LogNormal, Pareto, Recorded, Slow
from algorithms.virtual.events import Recording
from algorithms.virtual.network import Instant, Network, Ring
from algorithms.virtual.optimizers import SGD, AdamW, Optimizer, RMSProp
from algorithms.virtual.trace import Trace

__all__ = [
    "SGD",
    "AdamW",
    "Bimodal",
    "Cluster",
    "Compute",
    "Constant",
    "Exponential",
    "Instant",
    "LogNormal",
    "Network",
    "Optimizer",
    "Pareto",
    "RMSProp",
    "Recorded",
    "Recording",
    "Ring",
    "Slow",
    "Trace",
]
