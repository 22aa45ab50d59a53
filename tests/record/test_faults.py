"""The words of a fault, and what it has cost a run."""

from __future__ import annotations

import re

import pytest

from suite.record.faults import Fault, parse
from suite.record.recovery import Recovered, recovered
from suite.record.tables import runs
from tests.record.examples import faulted, record, specification


def test_every_kind_says_who_is_there_at_the_end() -> None:
    assert parse("kill:rank=2,step=40") == Fault(text="kill:rank=2,step=40", kind="kill", rank=2, step=40)
    assert parse("kill:rank=2,step=40").staying(4) == (0, 1, 3)
    assert parse("leave:step=0,rank=0").staying(3) == (1, 2)
    assert parse("join:step=5").staying(2) == (0, 1, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "kil:rank=1,step=2",
            "faults 'kil:rank=1,step=2': unknown kind 'kil' (did you mean 'kill'?); known: none, kill,",
        ),
        ("kill:rnak=1,step=2", "unknown key 'rnak' (did you mean 'rank'?); known: rank, step"),
        ("join:rank=1,step=2", "unknown key 'rank'; known: step"),
        ("kill:rank=1", "step is missing, as in kill:rank=2,step=40"),
        ("join", "step is missing, as in join:step=40"),
        ("kill:rank=1,step=-2", "step = -2, must be a whole number >= 0"),
        ("kill:rank=,step=2", "rank = nothing, must be a whole number >= 0"),
        ("kill:rank=1,step=2,step=3", "step is given twice"),
        ("kill:1", "'1' is not key=value"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as found:
        parse(text)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("text", "workers", "said"),
    [
        ("kill:rank=3,step=2", 3, "rank = 3, must be 0 <= rank < 3"),
        ("leave:rank=1,step=9", 3, "step = 9, must be 0 <= step < 9"),
        ("kill:rank=1,step=2", 2, "leaves 1 of 2 workers, must leave 2"),
    ],
)
def test_what_cannot_happen_in_a_run_is_refused(text: str, workers: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text).check(workers, steps=9)


def test_a_run_without_a_fault_keeps_its_identity() -> None:
    assert "faults" not in specification().canonical()


def test_time_to_recover_counts_from_the_fault_to_the_first_step_after_all_have_met() -> None:
    found = recovered(faulted())
    assert found == Recovered(recoveries=1, notice_seconds=2.0, seconds=pytest.approx(3.5), samples_lost=24)
    assert recovered(record()) is None


def test_tables_have_columns_for_it() -> None:
    frame = runs([faulted(), record()])
    assert frame["recover_seconds"].tolist()[0] == pytest.approx(3.5)
    assert frame["samples_lost"].tolist()[0] == 24
    assert frame["recover_seconds"].isna().tolist() == [False, True]


def test_a_finished_run_has_everyone_who_ever_took_part() -> None:
    with pytest.raises(ValueError, match="a finished run of 3 workers has 2 ranks"):
        record(faulted().specification, ranks=faulted().ranks[:2])
