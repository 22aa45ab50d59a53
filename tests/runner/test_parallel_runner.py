"""The runner of multi-rank tests, shown ranks that fail, hang, die and disagree on purpose."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runner.samples import ROOT, SAMPLES, Result, left_of, run


@pytest.fixture(scope="module")
def failing() -> Result:
    return run("failing.py")


@pytest.mark.timeout(300)
def test_one_item_is_reported_per_test(failing: Result) -> None:
    assert failing.code == 1
    assert "5 failed, 5 passed, 1 skipped, 1 xfailed, 1 error" in failing.text


def test_a_failure_on_one_rank_shows_its_traceback_and_output(failing: Result) -> None:
    assert failing.verdict("test_fails_on_one_rank") == "FAILED"
    section = failing.section("test_fails_on_one_rank")
    assert section.startswith("rank 0: passed; rank 1: failed")
    assert "AssertionError: rank 1 fails here" in section
    assert "said by rank 1" in section


def test_a_hang_names_the_rank_and_its_line(failing: Result) -> None:
    section = failing.section("test_hangs_on_one_rank")
    assert section.startswith("rank 1: still running after 4 s; rank 0: passed")
    assert re.search(r"failing\.py\", line \d+ in test_hangs_on_one_rank", section)
    assert "rank 1 before the hang" in section


def test_a_killed_rank_is_named_with_its_signal_and_last_words(failing: Result) -> None:
    section = failing.section("test_dies_by_signal")
    assert "rank 1: died (signal SIGKILL)" in section
    assert "last words of rank 1" in section


def test_a_rank_that_leaves_is_named_with_its_exit_code(failing: Result) -> None:
    assert "rank 0: died (exit code 3)" in failing.section("test_leaves")


def test_a_skip_on_one_rank_only_is_a_failure(failing: Result) -> None:
    assert "the ranks disagree: rank 0: skipped; rank 1: passed" in failing.section("test_skipped_by_one_rank")


def test_a_broken_fixture_is_an_error_of_its_rank(failing: Result) -> None:
    assert failing.verdict("test_with_broken_fixture") == "ERROR"
    assert "fixture broke on rank 1" in failing.section("test_with_broken_fixture")


@pytest.mark.parametrize("test", ["test_passes_before", "test_shares_a_folder", r"test_passes_after\[np2-b\]"])
def test_the_others_still_run_and_pass(failing: Result, test: str) -> None:
    assert failing.verdict(test) == "PASSED"


@pytest.mark.parametrize(("test", "verdict"), [("test_skipped_by_all", "SKIPPED"), ("test_expected_to_fail", "XFAIL")])
def test_skips_and_expected_failures_stay_what_they_are(failing: Result, test: str, verdict: str) -> None:
    assert failing.verdict(test) == verdict


def test_no_process_stays_behind(failing: Result) -> None:
    assert left_of(failing.mark) == []


def test_a_collective_that_one_rank_never_joins() -> None:
    result = run("torch_collective.py")
    assert [result.verdict(t) for t in ("test_sum", "test_one_rank_stays_away", "test_sum_after_the_hang")] == [
        "PASSED",
        "FAILED",
        "PASSED",
    ]
    assert result.section("test_one_rank_stays_away").startswith("rank 0: still running after 5 s; rank 1: passed")


def test_a_rank_that_cannot_import_the_file_is_named() -> None:
    result = run("broken_import.py")
    assert result.code == 1
    assert "rank 1: could not import the test file" in result.text
    assert "no such luck on rank 1" in result.text


def test_a_file_that_names_no_ranks_is_an_error() -> None:
    result = run("unmarked.py")
    assert result.code == 2
    assert "says not on how many ranks it runs" in result.text


def test_nothing_collected_is_a_failure() -> None:
    assert run("failing.py", "-k", "no_such_test").code == 5


def test_a_marked_test_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_elsewhere.py").write_text(
        "import pytest\n\npytestmark = pytest.mark.ranks(2)\n\n\ndef test_it():\n    pass\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        str(tmp_path),
        str(SAMPLES / "torch_collective.py"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "tests marked with `ranks` belong into tests/parallel" in done.stdout + done.stderr
