"""Names that say whose a thing is, and the removal of what dead owners left behind.

Everything of an emulated cluster (its folder, and every process in it through the variable MARK in its environment)
carries the name `farandole-<pid>-<start time>-<pid namespace>-<number>` of the process that made it. A thing whose
owner still lives is never touched, whoever that is; a thing without such a name does not exist for this file.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from suite.cluster.contract import ClusterError
from suite.cluster.emulated.linux import Owner

MARK = "FARANDOLE_CLUSTER"
_NAME = re.compile(r"farandole-(\d+)-(\d+)-(\d+)-(\d+)")


def name_for(owner: Owner, number: int) -> str:
    return f"farandole-{owner.pid}-{owner.started}-{owner.pid_namespace}-{number}"


def owner_of(name: str) -> Owner | None:
    found = _NAME.fullmatch(name)
    return Owner(int(found[1]), int(found[2]), int(found[3])) if found else None


def home() -> Path:
    """The folder of all clusters of this user; refused when somebody else prepared it for us."""
    folder = Path(tempfile.gettempdir()) / f"farandole-clusters-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise ClusterError(f"{folder} is not a private folder of this user; remove it")
    return folder


def marked_processes() -> Iterator[tuple[int, str]]:
    """(process, cluster name) for every process of ours that we may look into."""
    wanted = MARK.encode() + b"="
    for pid in psutil.pids():
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        for variable in variables:
            if variable.startswith(wanted):
                yield pid, variable[len(wanted) :].decode(errors="replace")


def kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def remove_leftovers(patience: float = 5.0) -> list[str]:
    """Ends what dead owners left running, removes their folders, and returns the names of the clusters removed."""
    removed: set[str] = set()
    deadline = time.monotonic() + patience
    # Repeated, because a process may fork between the listing and the kill.
    while dead := [(pid, name) for pid, name in marked_processes() if (o := owner_of(name)) and o.is_gone()]:
        removed.update(name for _, name in dead)
        kill([pid for pid, _ in dead])
        if time.monotonic() > deadline:
            raise ClusterError(f"processes of an ended run cannot be killed: {sorted(pid for pid, _ in dead)}")
        time.sleep(0.02)
    for folder in home().iterdir():
        owner = owner_of(folder.name)
        if owner and owner.is_gone():
            shutil.rmtree(folder, ignore_errors=True)
            removed.add(folder.name)
    return sorted(removed)
