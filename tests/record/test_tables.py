"""Exported tables hold every run, step and evaluation, and read back equal."""

from __future__ import annotations

import pandas as pd
import pytest

from suite.record import tables
from suite.record.outcome import Failed, Reason
from suite.record.schema import Evaluation
from tests.record.examples import record, specification

POINT = Evaluation(step=3, samples=48, bytes_sent=10, seconds=0.3, wall_seconds=0.4, loss=1.0, top1=0.5)
RECORDS = (
    record(specification(seed=0), evaluations=(POINT,)),
    record(specification(seed=1), outcome=Failed(reason=Reason.HUNG, message="no end"), ranks=()),
)


def test_runs_has_a_row_per_record_failed_ones_too():
    frame = tables.table("runs", RECORDS)
    assert list(frame["status"]) == ["finished", "failed"]
    assert list(frame["reason"]) == ["", "hung"]


def test_steps_has_a_row_per_rank_and_step():
    frame = tables.table("steps", RECORDS)
    assert len(frame) == 2 * (3 + 1)
    assert frame.loc[~frame["warmup"], "seconds"].sum() == pytest.approx(2 * 3 * 0.1)


def test_no_records_give_empty_tables():
    for kind in tables.KINDS:
        assert tables.table(kind, ()).empty


@pytest.mark.parametrize("suffix", tables.SUFFIXES)
@pytest.mark.parametrize("kind", tables.KINDS)
def test_files_read_back(tmp_path, kind, suffix):
    frame = tables.table(kind, RECORDS)
    path = tmp_path / f"{kind}{suffix}"
    tables.export(frame, path)
    back = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
    assert len(back) == len(frame)
    assert list(back.columns) == list(frame.columns)


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.csv or \.parquet"):
        tables.export(tables.table("runs", RECORDS), tmp_path / "runs.xlsx")
