"""Small specifications and records for the tests of the harness."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from suite.record.axes import Labels
from suite.record.host import Host
from suite.record.outcome import Finished
from suite.record.rank import Happened, Rank, Recovery, Steps
from suite.record.schema import Record, Sweep
from suite.record.specification import Algorithm, Model, Specification


def specification(**changes: Any) -> Specification:
    fields: dict[str, Any] = {
        "framework": "torch",
        "model": Model(name="alexnet"),
        "algorithm": Algorithm(name="synchronous", options={"overlap": False}),
        "workers": 2,
        "steps": 3,
        "warmup": 1,
    }
    return Specification(**(fields | changes))


def steps(count: int, seconds: float = 0.1, loss: float = 2.0) -> Steps:
    return Steps(
        started=tuple(index * seconds for index in range(count)), seconds=(seconds,) * count, loss=(loss,) * count
    )


def record(of: Specification | None = None, *, loss: float = 2.0, seconds: float = 0.1, **changes: Any) -> Record:
    chosen = of or specification()
    rank = {"host": "here", "process": 1, "digest": "d"}
    fields: dict[str, Any] = {
        "identity": chosen.identity,
        "experiment": "quick",
        "sweep": Sweep(identifier="s", position=0),
        "labels": Labels(
            framework=chosen.framework,
            model=chosen.model.name,
            algorithm=chosen.algorithm.name,
            workers=chosen.workers,
            network=chosen.network.describe(chosen.workers),
            straggler=chosen.straggler or "none",
            faults=chosen.faults or "none",
            seed=chosen.seed,
        ),
        "kind": chosen.kind,
        "replayed": chosen.replayed,
        "specification": chosen,
        "command": "python -m suite bench quick --only " + chosen.identity[:12],
        "created": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "wall_seconds": 3.0,
        "deadline_seconds": 60.0,
        "outcome": Finished(),
        "ranks": tuple(
            Rank(
                rank=index,
                warmup=steps(chosen.warmup, seconds, loss),
                steps=steps(chosen.steps, seconds, loss),
                **rank,
            )
            for index in range(chosen.workers)
        ),
        "hosts": (Host(name="here", ranks=tuple(range(chosen.workers)), cpu="c", cores=2, memory_bytes=1, digest="e"),),
    }
    return Record(**(fields | changes))


def faulted(**changes: Any) -> Record:
    """Rank 1 of three is killed a second after the beginning; the others notice, and go on at second 4 and 4.1."""
    of = specification(workers=3, faults="kill:rank=1,step=1")
    there = {"host": "here", "process": 1}

    def survivor(number: int, noticed: float, resumed: float) -> Rank:
        column = steps(3)
        later = column.model_copy(update={"started": (0.0, resumed, resumed + 0.5), "seconds": (0.5, 0.5, 0.5)})
        told = Recovery(lost=True, noticed=noticed, resumed=resumed, before=3, workers=2, newcomers=0, samples_lost=8)
        return Rank(rank=number, warmup=steps(1), steps=later, digest="d", recoveries=(told,), **there)

    killed = Rank(rank=1, steps=steps(1), happened=Happened(seconds=1.0, samples_lost=8), complete=False, **there)
    return record(of, ranks=(survivor(0, 1.5, 4.1), killed, survivor(2, 3.0, 4.0)), **changes)
