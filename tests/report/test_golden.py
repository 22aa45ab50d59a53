"""Committed records render byte for byte to the committed report."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.report import render
from tests.report import golden

EVIDENCE = Path(__file__).parents[2] / "reports"


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def compare(records: Path, committed: Path, out: Path, *, pictures: bool) -> None:
    render(records, out)
    made, kept = files(out), files(committed)
    if not pictures:
        made = {name: content for name, content in made.items() if not name.endswith(".png")}
    assert sorted(made) == sorted(kept)
    different = [name for name in made if made[name] != kept[name]]
    assert not different, f"{len(different)} files differ, first {different[0]}: render anew and look at what changed"


def test_golden_records(tmp_path: Path) -> None:
    had, have = golden.VERSIONS.read_text(), golden.versions()
    if had != have:
        pytest.skip(f"rendered with {', '.join(had.splitlines())}; here are {', '.join(have.splitlines())}")
    compare(golden.RECORDS, golden.REPORT, tmp_path / "report", pictures=False)


def test_golden_records_are_what_their_maker_makes(tmp_path: Path) -> None:
    golden.scripted.write(tmp_path, golden.records())
    made, kept = files(tmp_path), files(golden.RECORDS)
    assert sorted(made) == sorted(kept)
    assert not [name for name in made if made[name] != kept[name]]


def test_committed_evidence(tmp_path: Path) -> None:
    """The reference evidence and its report belong together."""
    if not (EVIDENCE / "records").is_dir():
        pytest.skip("no reference evidence is committed under reports/records")
    had, have = golden.VERSIONS.read_text(), golden.versions()
    if had != have:
        pytest.skip(f"rendered with {', '.join(had.splitlines())}; here are {', '.join(have.splitlines())}")
    compare(EVIDENCE / "records", EVIDENCE / "report", tmp_path / "report", pictures=True)


def test_committed_evidence_is_small_enough_for_git() -> None:
    size = sum(len(content) for content in files(EVIDENCE).values()) if EVIDENCE.is_dir() else 0
    assert size < 20e6
