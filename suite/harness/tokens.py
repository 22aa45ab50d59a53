"""Names that say which harness process a run belongs to, so that what a dead one left behind can be told apart."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import psutil

_PATTERN = re.compile(r"run-(\d+)-(\d+)-(\d+)-(\d+)")
_numbers = itertools.count()


def new() -> str:
    """`run-<process>-<its start, ms>-<pid namespace>-<number>`."""
    own = psutil.Process()
    return f"run-{own.pid}-{_started(own)}-{_namespace()}-{next(_numbers)}"


def is_orphan(token: str) -> bool:
    """Whether it was made here, by a process that is gone. What another pid namespace made is not ours to judge."""
    found = _PATTERN.fullmatch(token)
    if found is None or int(found[3]) != _namespace():
        return False
    try:
        return _started(psutil.Process(int(found[1]))) != int(found[2])
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def _started(process: psutil.Process) -> int:
    return round(process.create_time() * 1000)


def _namespace() -> int:
    """0 where the system has none."""
    try:
        return int(re.sub(r"\D", "", str(Path("/proc/self/ns/pid").readlink())))
    except OSError:
        return 0
