"""Ranks that start warm share nothing that one of them has changed, and nothing outlives the pytest that asked."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.patience import eventually
from tests.runner.samples import MARK, ROOT, command, left_of, run


def test_what_one_launch_leaves_behind_the_next_does_not_see() -> None:
    result = run("torch_leaving.py", "torch_seeing.py")
    assert result.code == 0, result.text
    assert "3 passed" in result.text
    assert left_of(result.mark) == []


def test_processes_that_share_the_tests_share_the_warm_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLD_IN", str(tmp_path))
    result = run("borrowing.py", "-n", "2", "--dist", "load")
    assert result.code == 0, result.text
    told = [file.read_text().split() for file in tmp_path.iterdir()]
    assert len(told) == 1 + 2
    assert {asking for asking, _ in told} == {"gw0", "gw1"}
    assert len({parent for _, parent in told}) == 1
    assert left_of(result.mark) == []


def test_nothing_outlives_a_pytest_that_is_killed(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    asking = subprocess.Popen(
        command("hanging.py"),
        cwd=ROOT,
        env={**os.environ, MARK: mark, "HANGS_IN": str(tmp_path)},
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: len(list(tmp_path.iterdir())) == 2)
        assert len(left_of(mark)) >= 2 + 2 + 1 + 2  # ranks, their own processes, the warm one, pytest and horovodrun
    finally:
        asking.kill()
        asking.wait()
    eventually(lambda: left_of(mark) == [])
