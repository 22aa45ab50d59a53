"""Made-up surroundings of a run: two ranks on two cores, and a neighbour where the test wants one."""

from __future__ import annotations

from suite.record.rank import Rank, Surroundings
from suite.record.schema import Record
from tests.record.examples import record, specification, steps

LOOKS = 41  # every half second: 20 s


def moments() -> list[float]:
    return [0.5 * look for look in range(LOOKS)]


def surroundings(
    *, leads: bool, busy: float = 0.4, ranks: int = 2, others: list[float] | None = None,
    work: float | list[float] = 2e-4, pieces: int = 16, stolen: float = 0.0,
) -> Surroundings:  # fmt: skip
    """A rank that takes `busy` of a core, beside as many like it and a neighbour that has taken `others` so far."""
    at = moments()
    taken = others or [0.0] * LOOKS
    own = [busy * moment for moment in at]
    fields: dict[str, object] = {"moments": at, "own": own, "late": [0.0] * LOOKS, "cores": 2, "machine": "here"}
    if leads:
        idle = [
            2 * moment - ranks * mine - other - stolen * moment
            for moment, mine, other in zip(at, own, taken, strict=True)
        ]
        fields |= {
            "idle": idle,
            "interrupts": [0.0] * LOOKS,
            "stolen": [stolen * moment for moment in at],
            "stalled": [0.0] * LOOKS,
            "work": [work] * LOOKS if isinstance(work, float) else work,
            "pieces": pieces,
        }
    return Surroundings.model_validate(fields)


def neighbour(cores: float, begin: float, seconds: float) -> list[float]:
    """CPU seconds so far of somebody who computes for a while."""
    return [cores * min(max(moment - begin, 0.0), seconds) for moment in moments()]


def run(
    *, others: list[float] | None = None, work: float | list[float] = 2e-4, pieces: int = 16, stolen: float = 0.0,
    count: int = 2, **changes: object,
) -> Record:  # fmt: skip
    ranks = tuple(
        Rank(
            rank=rank,
            host=f"host{rank}",
            process=1,
            digest="d",
            warmup=steps(1),
            steps=steps(3),
            surroundings=surroundings(
                leads=rank == 0, busy=0.8 / count, ranks=count, others=others, work=work, pieces=pieces, stolen=stolen
            ),
        )
        for rank in range(count)
    )
    return record(specification(workers=count), ranks=ranks, **changes)
