"""The highest mark of resident memory, over a part of a process's life."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from suite.harness.launch import environment
from suite.rank import resident
from suite.rank.resident import ResidentPeak
from tests.record import examples

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


def test_only_runs_that_measure_memory_have_it_given_back() -> None:
    asked, kept = (environment(examples.specification(measure_memory=choice)) for choice in (True, None))
    assert set(asked) - set(kept) == {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}
    # Their time is another's: an identity of their own, while all other runs keep the one that they had.
    assert examples.specification(measure_memory=True).identity != examples.specification().identity
    assert "measure_memory" not in examples.specification().canonical()


def test_freed_memory_leaves_the_process_where_it_is_given_back() -> None:
    """Blocks of the sizes of tensors, freed in an order that leaves holes."""
    script = (
        "from suite.rank.resident import ResidentPeak\n"
        "def rounds():\n"
        "    for _ in range(3):\n"
        "        blocks = [bytearray(300_000 + 7_000 * i) for i in range(100)]\n"
        "        kept = blocks[::9]\n"
        "        del blocks\n"
        "    return kept\n"
        "kept = rounds()\n"
        "peak = ResidentPeak()\n"
        "peak.begin()\n"
        "print(peak.since_begun - sum(map(len, kept)))\n"
    )
    given = environment(examples.specification(measure_memory=True))
    beyond = [
        int(subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout)
        for env in ({**os.environ, **given}, {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 30)})
    ]
    assert beyond[0] < beyond[1] - 30_000_000, beyond


def held(size: int) -> None:
    """Every page touched, then given back: larger blocks than the allocator keeps."""
    block = bytearray(size)
    del block
