"""Stragglers: ranks slowed down on purpose, reproducibly, with an account of it."""

from suite.cluster.stragglers.injection import Injected, Injector
from suite.cluster.stragglers.lengths import repeats_after, steps_needed
from suite.cluster.stragglers.parsing import KINDS, parse
from suite.cluster.stragglers.quota import quota
from suite.cluster.stragglers.straggler import Straggler

__all__ = ["KINDS", "Injected", "Injector", "Straggler", "parse", "quota", "repeats_after", "steps_needed"]
