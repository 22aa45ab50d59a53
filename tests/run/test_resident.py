"""The highest mark of resident memory, over a part of a process's life."""

from __future__ import annotations

import pytest

from suite.run import resident
from suite.run.resident import ResidentPeak

LARGE, SMALL = 120_000_000, 40_000_000


def test_a_part_does_not_know_what_was_held_before_it() -> None:
    peak = ResidentPeak()
    held(LARGE)
    peak.begin()
    begun = peak.since_begun
    held(SMALL)
    peak.begin()  # a second time changes nothing
    assert begun is not None and peak.since_begun is not None and peak.whole_life is not None
    assert 0.9 * SMALL < peak.since_begun - begun < 1.5 * SMALL
    assert peak.whole_life - begun > 0.9 * LARGE


def test_without_a_mark_that_can_be_reset_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(resident, "FORGET", resident.Path(f"{tmp_path}/no folder/clear_refs"))
    peak = ResidentPeak()
    peak.begin()
    assert peak.since_begun is None
    assert peak.whole_life is not None
    monkeypatch.setattr(resident, "STATUS", resident.Path(f"{tmp_path}/status"))
    assert peak.whole_life is None


def held(size: int) -> None:
    """Every page touched, then given back: larger blocks than the allocator keeps."""
    block = bytearray(size)
    del block
