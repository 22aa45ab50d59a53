"""Records as flat tables (pandas), for people who want to look with their own tools; and as CSV or Parquet files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from suite.record.outcome import Failed
from suite.record.rank import Steps
from suite.record.recovery import recovered
from suite.record.schema import Record

KINDS = ("runs", "steps", "evaluations")
SUFFIXES = (".csv", ".parquet")


def runs(records: Iterable[Record]) -> pd.DataFrame:
    """One row per record: labels, how it ended, and what was counted. Step times are in `steps`."""
    rows = []
    for record in records:
        telemetry = [rank.telemetry for rank in record.ranks if rank.telemetry is not None]
        change = recovered(record)
        rows.append(
            _identification(record)
            | {
                "created": record.created,
                "status": record.outcome.status,
                "reason": record.outcome.reason.value if isinstance(record.outcome, Failed) else "",
                "wall_seconds": record.wall_seconds,
                "steps": record.specification.steps,
                "batch_size": record.specification.batch_size,
                "rounds": max((one.rounds for one in telemetry), default=None),
                "bytes_sent": sum(one.bytes_sent for one in telemetry) if telemetry else None,
                "contributions_used": sum(one.contributions_used for one in telemetry) if telemetry else None,
                "contributions_dropped": sum(one.contributions_dropped for one in telemetry) if telemetry else None,
                "contributions_given_up": sum(one.contributions_given_up for one in telemetry) if telemetry else None,
                "memory_peak_bytes": max((rank.memory_peak_bytes or 0 for rank in record.ranks), default=0) or None,
                "recoveries": None if change is None else change.recoveries,
                "notice_seconds": None if change is None else change.notice_seconds,
                "recover_seconds": None if change is None else change.seconds,
                "samples_lost": None if change is None else change.samples_lost,
                "environment": record.environment,
                "command": record.command,
            }
        )
    return pd.DataFrame(rows)


def steps(records: Iterable[Record]) -> pd.DataFrame:
    """One row per rank and step, warm-up marked."""
    frames = []
    for record in records:
        for rank in record.ranks:
            for warmup, columns in ((True, rank.warmup), (False, rank.steps)):
                if not columns.seconds:
                    continue
                frame = pd.DataFrame({name: getattr(columns, name) for name in Steps.model_fields})
                labels = _identification(record) | {"rank": rank.rank, "host": rank.host, "warmup": warmup}
                frames.append(frame.assign(step=range(len(frame)), **labels))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def evaluations(records: Iterable[Record]) -> pd.DataFrame:
    """One row per evaluation."""
    return pd.DataFrame(
        [_identification(record) | point.model_dump() for record in records for point in record.evaluations]
    )


def table(kind: str, records: Iterable[Record]) -> pd.DataFrame:
    if kind == "runs":
        return runs(records)
    if kind == "steps":
        return steps(records)
    if kind == "evaluations":
        return evaluations(records)
    raise ValueError(f"table {kind!r}: one of {', '.join(KINDS)}")


def export(frame: pd.DataFrame, path: Path) -> None:
    """Write a table in the format that the file's name asks for."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        raise ValueError(f"{path.name}: must end in {' or '.join(SUFFIXES)}")


def _identification(record: Record) -> dict[str, Any]:
    return {
        "experiment": record.experiment,
        "identity": record.identity[:16],
        "repetition": record.repetition,
        "attempt": record.attempt,
        "sweep": record.sweep.identifier,
        "round": record.sweep.round,
        "kind": record.kind,
        "replayed": record.replayed,
        **record.labels.model_dump(),
    }
