"""Several hosts on one machine: network namespaces behind one switch, with a rate that is measured before use."""

from suite.cluster.emulated.cluster import Emulated

__all__ = ["Emulated"]
