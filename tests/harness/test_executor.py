"""Real processes: however a command ends, it is told apart, ended in time, and nothing of it stays."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

import suite.harness.executor as module
from suite.harness import tokens
from suite.harness.executor import TOKEN, Job, Processes, end_leftovers, end_processes, marked
from tests.patience import eventually, runs


def job(tmp_path, script, deadline=30.0, token=None):
    return Job(
        command=[sys.executable, "-c", textwrap.dedent(script)],
        environment={"GREETING": "hello"},
        folder=tmp_path,
        deadline=deadline,
        token=token or tokens.new(),
    )


def run(given, over=lambda: False, tick=lambda seconds: None, clock=time.monotonic):
    ended = Processes(clock=clock)(given, over, tick)
    assert list(marked(given.token)) == []
    return ended


# A grandchild in a session of its own, as horovodrun makes them, that ignores polite requests.
STUBBORN = """
    import os, subprocess, sys, time
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE)
    child.stdout.readline()
    print("up", flush=True)
"""


def is_up(tmp_path):
    """Whether the stubborn one runs."""
    said = tmp_path / "stdout"
    return said.exists() and "up" in said.read_text()


def test_a_command_that_ends_well(tmp_path):
    ended = run(job(tmp_path, "import os, sys; print(os.environ['GREETING']); print('bye', file=sys.stderr)"))
    assert (ended.how, ended.code, ended.output, ended.errors) == ("exited", 0, "hello\n", "bye\n")


def test_a_command_that_fails(tmp_path):
    ended = run(job(tmp_path, "raise SystemExit(3)"))
    assert (ended.how, ended.code) == ("exited", 3)


def test_a_command_that_is_not_there(tmp_path):
    given = Job(["/nowhere/horovodrun"], {}, tmp_path, 5.0, tokens.new())
    ended = Processes()(given, lambda: False, lambda seconds: None)
    assert ended.how == "unstartable"
    assert "/nowhere/horovodrun: No such file" in ended.errors


def test_what_fails_while_a_command_runs_is_no_fault_of_the_command(tmp_path):
    def full(seconds):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run(given := job(tmp_path, "import time; time.sleep(60)"), tick=full)
    assert list(marked(given.token)) == []


def test_what_a_finished_command_left_running_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "KILL_SECONDS", 0.5)
    assert run(job(tmp_path, STUBBORN)).how == "exited"


def test_a_deadline_ends_the_command_and_its_family(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "KILL_SECONDS", 0.5)
    an_hour_later = lambda: time.monotonic() + 3600 * is_up(tmp_path)  # noqa: E731
    ended = run(job(tmp_path, textwrap.dedent(STUBBORN) + "time.sleep(60)", deadline=3000.0), clock=an_hour_later)
    assert ended.how == "deadline"


def test_ranks_that_are_done_do_not_keep_the_harness_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EXIT_SECONDS", 0.3)
    ended = run(job(tmp_path, "import time; time.sleep(60)"), over=lambda: True)
    assert ended.how == "lingering"


def test_progress_is_asked_for(tmp_path):
    seen, enough = [], tmp_path / "enough"

    def tick(seconds):
        seen.append(seconds)
        if len(seen) == 3:
            enough.touch()

    run(job(tmp_path, f"import os, time\nwhile not os.path.exists({str(enough)!r}): time.sleep(0.01)"), tick=tick)
    assert len(seen) >= 3
    assert seen == sorted(seen)


def test_ctrl_c_ends_the_command_and_is_told(tmp_path):
    def press(seconds):
        if seconds > 0.3:
            raise KeyboardInterrupt

    assert run(job(tmp_path, "import time; time.sleep(60)"), tick=press).how == "interrupted"


def test_the_command_does_not_see_the_terminals_ctrl_c(tmp_path):
    given = job(tmp_path, "import os; print(os.getsid(0) == os.getpid())")
    assert run(given).output == "True\n"


def test_only_marked_processes_are_ended(tmp_path):
    mine = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        env={**os.environ, TOKEN: "run-other"},
        stdin=subprocess.PIPE,
    )
    end_processes(tokens.new())
    run(job(tmp_path, "pass"))
    mine.communicate()
    assert mine.returncode == 0, "a signal would have come before the end of its input"


def test_processes_of_a_dead_harness_are_found_and_those_of_a_living_one_are_not(tmp_path):
    script = f"""
    import os, subprocess, sys
    from suite.harness import tokens
    env = {{**os.environ, "{TOKEN}": tokens.new()}}
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=env, start_new_session=True)
    print(env["{TOKEN}"], child.pid, flush=True)
    sys.stdin.read()
    """
    harness = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    token, child = harness.stdout.readline().split()
    of_harness = psutil.Process(int(child))
    ours = lambda found: found == token and tokens.is_orphan(found)  # noqa: E731 - others' leftovers are not the test's
    try:
        assert end_leftovers(ours) == 0
        harness.kill()
        harness.wait()
        end_leftovers(ours)  # or another sweep of this machine was quicker: that is what they are for
        eventually(lambda: not runs(of_harness))
    finally:
        end_processes(token)
        harness.stdin.close()
        harness.stdout.close()


@pytest.mark.parametrize("token", ["", "run-1", "run-1-2-3", "something else", "run-999999999-1-1-0"])
def test_names_that_we_did_not_make_are_nobodys(token):
    assert not tokens.is_orphan(token)


def test_our_own_token_is_no_orphan():
    assert not tokens.is_orphan(tokens.new())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_waits_until_all_is_ended(number, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "KILL_SECONDS", 0.5)
    signalled = []

    def press(seconds):
        if is_up(tmp_path):
            raise KeyboardInterrupt

    def press_again(process, sent):
        signalled.append(sent)
        signal.raise_signal(number)
        plain(process, sent)

    plain = module._signal
    monkeypatch.setattr(module, "_signal", press_again)
    try:
        ended = run(job(tmp_path, textwrap.dedent(STUBBORN) + "time.sleep(60)"), tick=press)
        assert ended.how == "interrupted"
    except KeyboardInterrupt:
        pytest.fail("the second signal came through while processes were being ended")
    assert {signal.SIGTERM, signal.SIGKILL} <= set(signalled)
