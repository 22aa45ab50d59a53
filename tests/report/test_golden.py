"""Committed records render byte for byte to the committed report."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.report import evidence, render
from tests.report import golden

EVIDENCE = Path(__file__).parents[2] / "reports"


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def compare(records: Path, committed: Path, out: Path) -> None:
    render(records, out)
    made, kept = files(out), files(committed)
    assert sorted(made) == sorted(kept)
    different = [name for name in made if made[name] != kept[name]]
    assert not different, f"{len(different)} files differ, first {different[0]}: render anew and look at what changed"


def test_golden_records(tmp_path: Path) -> None:
    had, have = golden.VERSIONS.read_text(), golden.versions()
    if had != have:
        pytest.skip(f"rendered with {', '.join(had.splitlines())}; here are {', '.join(have.splitlines())}")
    compare(golden.RECORDS, golden.REPORT, tmp_path / "report")


def test_golden_records_are_what_their_maker_makes() -> None:
    """As records, not as bytes: a field that is new since then has its default."""
    kept = {record.key: record for record in evidence.read(golden.RECORDS).records}
    made = {record.key: record for record in evidence.of_records(golden.records()).records}
    assert set(made) == set(kept)
    assert not [key for key in made if made[key] != kept[key]]


SETS = sorted(path.parent for path in EVIDENCE.glob("*/records"))


@pytest.mark.timeout(1800)  # a minute on a quiet machine
@pytest.mark.skipif(not SETS, reason="no evidence is committed under reports/")
@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.name)
def test_committed_evidence(folder: Path, tmp_path: Path) -> None:
    """Evidence and its report belong together."""
    had, have = golden.VERSIONS.read_text(), golden.versions()
    if had != have:
        pytest.skip(f"rendered with {', '.join(had.splitlines())}; here are {', '.join(have.splitlines())}")
    compare(folder / "records", folder / "report", tmp_path / "report")


def test_committed_evidence_is_small_enough_for_git() -> None:
    assert sum(map(len, files(EVIDENCE).values())) < 30e6
