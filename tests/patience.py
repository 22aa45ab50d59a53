"""Waiting in tests for what another thread or process does, however long it takes on a busy machine."""

import sys
import threading
import time
from collections.abc import Callable

import psutil

PATIENCE = 60.0  # seconds: ends what hangs, and nothing else
PROMPT = 25.0  # seconds: sooner than the limits that end a wait for others, of which Gloo's of 30 is the first


def eventually(condition: Callable[[], object]) -> None:
    """Come back when it holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "this never happened"
        time.sleep(0.001)


def stands(thread: threading.Thread) -> bool:
    """Whether this thread waits for another one to tell it something."""
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code is threading.Condition.wait.__code__


def runs(process: psutil.Process) -> bool:
    """Whether this process has not ended, be it that nobody has asked for its end yet."""
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # it ended between the two questions
        return False
