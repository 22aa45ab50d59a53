"""All checks, in the order in which a reader wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from suite.doctor import hosts, machine, ranks
from suite.doctor.check import Check

DEADLINE = 120.0  # seconds for one probe: both imports and a minute of patience on a busy machine


def examine(
    workers: int = 2, deadline: float = DEADLINE, doing: Callable[[str], None] = lambda what: None
) -> Iterator[Check]:
    """Check after check; `doing` is told what is going on before anything slow."""
    yield machine.versions()
    doing("two ranks with PyTorch")
    torch = ranks.ask("torch", deadline)
    doing("two ranks with TensorFlow and Keras")
    tensorflow = ranks.ask("tensorflow", deadline)
    yield ranks.judge_build(torch, tensorflow)
    advice = "read `farandole doctor --json`; remove .venv and run `make setup` to build Horovod again"
    yield ranks.judge_sums("PyTorch", torch, advice)
    yield ranks.judge_sums("TensorFlow", tensorflow, advice)
    yield ranks.judge_keras(tensorflow)
    yield machine.host_name()
    doing("emulated hosts")
    yield hosts.namespaces()
    yield hosts.delay()
    yield machine.cores(workers)
    yield machine.memory(workers)
    built = torch.first.get("built", {})
    yield machine.judge_gpus(machine.gpus(), bool(built.get("nccl")), torch.first.get("cuda"))
