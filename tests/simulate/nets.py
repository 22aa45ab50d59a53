"""Workloads that tests predict."""

from __future__ import annotations

from suite.simulate import Workload

ALEXNET = Workload.from_profile("alexnet-torch-cpu", step_seconds=0.6)
GOOGLENET = Workload.from_profile("googlenet-torch-cpu", step_seconds=0.3)
SMALL = Workload.of(tensors=[(1000, 0.1), (500_000, 0.3), (250_000, 0.2)], step_seconds=1.0, batch=8, name="small")
