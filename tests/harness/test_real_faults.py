"""Faults of real processes under a real horovodrun: the right reason, and nothing left running."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from rich.console import Console

from suite.cluster.local import Local
from suite.harness.executor import Processes, _marked
from suite.harness.launch import Launcher
from suite.harness.outline import Options
from suite.harness.sweep import Sweeper
from suite.record.outcome import Reason
from suite.record.store import Store
from tests.harness.scripted import plan
from tests.patience import eventually

HERE = Path(__file__).parent


@pytest.fixture
def python(tmp_path):
    """What the launcher takes for Python: ignores `-m suite.rank.worker` and runs the fake rank."""
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE / "fake_rank.py"} "$@"\n')
    path.chmod(0o755)
    return str(path)


def left_of(harness):
    """What still runs of that harness process alone: others may be sweeping on the same machine."""
    return [process for process, token in _marked() if token.startswith(f"run-{harness}-")]


def run_with(tmp_path, python, monkeypatch, fault, clock=time.monotonic):
    monkeypatch.setenv("FAKE_RANK", fault)
    folder = tmp_path / "results"
    made = Sweeper(
        Store(folder),
        Console(file=io.StringIO()),
        Launcher(work=folder / ".work", executor=Processes(clock=clock), python=python),
        open_cluster=lambda network, workers: Local(),
    )
    (record,) = made.run(plan(seeds=1), Options()).records
    assert left_of(os.getpid()) == []
    assert Store(folder).read().records == (record,)
    assert list((folder / ".work").iterdir()) == []
    return record


@pytest.mark.parametrize(
    ("fault", "reason", "message"),
    [
        ("kill,1,4", Reason.KILLED, "rank 1 was ended by SIGKILL"),
        ("raise,0,5", Reason.ERROR, "rank 0 after step 4: ValueError: the fault"),
        ("memory,1,3", Reason.MEMORY, "rank 1 after step 2: MemoryError"),
        ("crash,1,0", Reason.ERROR, "libwrong.so"),
    ],
)
def test_a_fault_of_a_rank(tmp_path, python, monkeypatch, fault, reason, message):
    record = run_with(tmp_path, python, monkeypatch, fault)
    assert record.outcome.reason in (reason, Reason.START if fault.startswith("crash") else reason)
    assert message in record.outcome.message


def test_a_hang_is_ended_at_its_deadline(tmp_path, python, monkeypatch):
    def clock():
        """An hour later once rank 0 has left rank 1 behind, so that nobody has to wait for the deadline."""
        ahead = any(file.read_text().count("\n") > 6 for file in tmp_path.glob("results/.work/*/rank-0.jsonl"))
        hangs = any(file.read_text().count("\n") > 4 for file in tmp_path.glob("results/.work/*/rank-1.jsonl"))
        return time.monotonic() + 3600 * (ahead and hangs)

    record = run_with(tmp_path, python, monkeypatch, "hang,1,4", clock)
    assert record.outcome.reason is Reason.HUNG
    assert "rank 1 was past step 3" in record.outcome.message
    assert record.outcome.rank == 1


def test_a_process_that_a_finished_rank_leaves_behind_is_ended(tmp_path, python, monkeypatch):
    monkeypatch.setattr("suite.harness.executor.EXIT_SECONDS", 1.0)
    assert run_with(tmp_path, python, monkeypatch, "stay,1,4").finished


def test_a_harness_that_is_told_to_stop_records_cleans_up_and_stops(tmp_path, python):
    script = f"""
    import io
    from pathlib import Path
    from rich.console import Console
    from suite.cluster.local import Local
    from suite.harness.launch import Launcher
    from suite.record.store import Store
    from suite.harness.outline import Options
    from suite.harness.sweep import Sweeper
    from tests.harness.scripted import plan

    folder = Path({str(tmp_path / "results")!r})
    launcher = Launcher(work=folder / ".work", python={python!r})
    sweeper = Sweeper(Store(folder), Console(file=io.StringIO()), launcher, open_cluster=lambda *_: Local())
    print(sweeper.run(plan(seeds=5), Options()).interrupted)
    """
    environment = {**os.environ, "FAKE_RANK": "hang,1,4", "PYTHONPATH": str(HERE.parents[1])}
    harness = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        folder = tmp_path / "results"
        hangs = lambda: any(said.read_text().count("\n") > 4 for said in folder.glob(".work/run-*/rank-1.jsonl"))  # noqa: E731
        eventually(hangs)
        harness.send_signal(signal.SIGTERM)
        assert harness.communicate(timeout=40)[0] == "True\n"
        assert harness.returncode == 0
    finally:
        harness.kill()
        harness.wait()
    (record,) = Store(folder).read().records
    assert record.outcome.reason is Reason.INTERRUPTED
    assert record.ranks[1].warmup.seconds
    assert left_of(harness.pid) == []
