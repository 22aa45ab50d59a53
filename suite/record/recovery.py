"""What a fault has cost a run: how long it stood still, and which samples were drawn in vain."""

from __future__ import annotations

from dataclasses import dataclass

from suite.record.rank import Rank
from suite.record.schema import Record


@dataclass(frozen=True)
class Recovered:
    recoveries: int  # times that workers met again: once for each fault, unless something else happened
    notice_seconds: float  # from the fault until the last of those who stay had noticed
    seconds: float  # from the fault until any of them had taken a step after all had met again
    samples_lost: int  # drawn and not committed, by those who stay and by who was killed


def recovered(record: Record) -> Recovered | None:
    """None where nothing was to happen, or the run is not there, or nobody went on."""
    happened = next((rank.happened for rank in record.ranks if rank.happened is not None), None)
    survivors = [rank for rank in record.ranks if rank.recoveries]
    if not record.finished or happened is None or not survivors:
        return None
    first = [rank.recoveries[0] for rank in survivors]
    ends = [end for rank in survivors for end in _ends(rank) if end > max(one.resumed for one in first)]
    if not ends:
        return None
    lost = sum(one.samples_lost for rank in survivors for one in rank.recoveries)
    return Recovered(
        recoveries=max(len(rank.recoveries) for rank in survivors),
        notice_seconds=max(one.noticed for one in first) - happened.seconds,
        seconds=min(ends) - happened.seconds,
        samples_lost=happened.samples_lost + lost,
    )


def _ends(rank: Rank) -> list[float]:
    return [
        began + seconds
        for part in (rank.warmup, rank.steps)
        for began, seconds in zip(part.started, part.seconds, strict=True)
    ]
