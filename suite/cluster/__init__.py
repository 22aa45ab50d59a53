"""Where ranks run: on this machine, on the hosts of a host file, on hosts emulated on this machine, or in virtual time.

A kind is a file, named in `kinds`: a `Network` (`network`) says what may be asked of it and opens the cluster (`contract`)
beside it.
"""

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

__all__ = [
    "Cluster",
    "ClusterError",
    "ClusterFacts",
    "ClusterUnavailableError",
    "Counters",
    "Emulated",
    "Hosts",
    "Local",
]
