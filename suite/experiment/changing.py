"""What does not go together with a change of the workers."""

from __future__ import annotations

from typing import Any

import algorithms
from algorithms.contract import Reduction, Rounds
from suite.cluster.network import Network
from suite.experiment.schema import Shared
from suite.record import faults


def refuse_what_cannot_change(at: Any, network: Network, shared: Shared) -> None:
    """`at`: the value of each axis, under its name."""
    if at.faults == "none":
        return
    fault = faults.parse(at.faults)
    fault.check(at.workers, shared.steps)
    try:
        _refuse(fault, at, network, shared)
    except ValueError as error:
        raise ValueError(f"faults {fault.text!r}: {error}") from error


def _refuse(fault: faults.Fault, at: Any, network: Network, shared: Shared) -> None:
    name, called, made = at.algorithm.name, at.algorithm.called(), at.algorithm.made
    if not network.elastic:
        raise ValueError(f"hosts of a network of kind {network.kind!r} do not come and go, those of 'local' do")
    if name not in algorithms.CATALOGUE:
        raise ValueError(f"{name} is a control without an elastic state; exclude the pair")
    if isinstance(made, Rounds) and made.reduction is Reduction.ADASUM:
        raise ValueError(f"{called} needs MPI, and elastic jobs talk over Gloo; exclude the pair")
    if shared.evaluate_every:
        raise ValueError(f"evaluate_every = {shared.evaluate_every}, must be 0: it counts samples of all workers")
    if at.framework == "tensorflow" and shared.steps_per_execution > 1:
        raise ValueError(f"steps_per_execution = {shared.steps_per_execution}, must be 1: each step is committed")
    try:
        made.check(len(fault.staying(at.workers)))
    except ValueError as error:
        raise ValueError(f"{called} cannot go on with those who are left: {error}") from error
