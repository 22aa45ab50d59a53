"""Small virtual runs for the tests of this folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from suite.cluster.virtual import VirtualNetwork
from suite.experiment import choices
from suite.rank.job import RankJob
from suite.rank.samples import RankFile, read_ranks
from suite.record.specification import Data, Model, Optimizer, Specification
from suite.virtual.training_torch import prepare, train


def specified(algorithm: str = "synchronous", options: dict[str, Any] | None = None, **more: Any) -> Specification:
    model = choices.resolve_model(more.pop("model", Model(name="tiny-cnn", image=8)), "digits")
    made: dict[str, Any] = {
        "framework": "torch",
        "model": model,
        "algorithm": choices.written_out(choices.make_algorithm(algorithm, options or {})),
        "data": Data(name="digits"),
        "optimizer": Optimizer(learning_rate=0.05),
        "workers": 4,
        "network": VirtualNetwork(compute_seconds=0.1, rate_mbit=1000.0, delay_ms=0.1),
        "steps": 10,
        "warmup": 0,
    }
    return Specification(**(made | more))


def job(specification: Specification, folder: Path) -> RankJob:
    folder.mkdir(parents=True, exist_ok=True)
    return RankJob(
        specification=specification, folder=str(folder), launched_at=time.time(), clock="", deadline=float("inf")
    )


def trained(specification: Specification, folder: Path, **more: Any) -> tuple[RankFile, ...]:
    train(prepare(specification), job(specification, folder), **more)
    return read_ranks(folder)
