"""Where ranks run: on this machine, on the hosts of a host file, or on hosts emulated on this machine."""

from __future__ import annotations

from suite.cluster.contract import (
    Cluster,
    ClusterError,
    ClusterFacts,
    ClusterUnavailableError,
    Counters,
)
from suite.cluster.emulated import Emulated
from suite.cluster.hosts import Hosts
from suite.cluster.local import Local
from suite.cluster.making import make

__all__ = [
    "Cluster",
    "ClusterError",
    "ClusterFacts",
    "ClusterUnavailableError",
    "Counters",
    "Emulated",
    "Hosts",
    "Local",
    "make",
]
