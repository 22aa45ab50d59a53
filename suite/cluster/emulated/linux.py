"""The six Linux calls Python 3.11 lacks, and who a process is beyond its recyclable number."""

from __future__ import annotations

import contextlib
import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

# <linux/sched.h>, <sys/mount.h>, <sys/prctl.h>
NEW_MOUNTS = 0x00020000
NEW_HOST_NAME = 0x04000000
NEW_USER = 0x10000000
NEW_NETWORK = 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_PR_SET_PDEATHSIG = 1


class UnsupportedError(OSError):
    """This system forbids it or its kernel lacks it; asking again will not help."""


_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def enter_namespace(file: int) -> None:
    """Whatever kind of namespace the open file stands for. The calling process must have one thread only."""
    _check(_libc.setns(ctypes.c_int(file), ctypes.c_int(0)), "setns")


def _mount(source: str, target: str, flags: int) -> None:
    _check(_libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None), f"mount on {target}")


def keep_mounts_private() -> None:
    """Without this a mount made here could show up in the machine's own mount table."""
    _mount("none", "/", _MS_REC | _MS_PRIVATE)


def mount_over(source: Path, target: str) -> None:
    _mount(str(source), target, _MS_BIND)


def die_with_parent(signal_number: int) -> None:
    _check(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0), "prctl")


def become_root_of_user_namespace() -> None:
    """What `unshare --user --map-root-user` does, for the calling process, which must have one thread only."""
    user, group = os.geteuid(), os.getegid()
    unshare(NEW_USER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def silence_ipv6() -> None:
    """For interfaces made later in this network namespace: neighbour discovery would send packets that no rank sent.

    Only a nicety, and in some containers /proc/sys cannot be written.
    """
    with contextlib.suppress(OSError):
        Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")


def use_congestion_control(name: str) -> str:
    """For connections made later in this network namespace. Returns what is in force, which may be another."""
    switch = Path("/proc/sys/net/ipv4/tcp_congestion_control")
    with contextlib.suppress(OSError):
        switch.write_text(name)
    return switch.read_text().strip()


def network_namespace(pid: int | str) -> str | None:
    """The kernel's name of a process's network namespace, like "net:[4026532291]"; None if it is gone or not ours."""
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:
        return None


def start_time(pid: int) -> int | None:
    """Clock ticks after boot at which the process started (proc(5), field 22), None if there is no such process.

    The state letter stands before it: a zombie has ended although /proc still lists it.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


@dataclass(frozen=True)
class Owner:
    """A process told apart from a later one with the same number, and from one of another PID namespace."""

    pid: int
    started: int
    pid_namespace: int

    @classmethod
    def this_process(cls) -> Self:
        started = start_time(os.getpid())
        if started is None:
            raise OSError("/proc is not mounted, so processes cannot be told apart")
        return cls(os.getpid(), started, _pid_namespace())

    def is_gone(self) -> bool:
        """True only when that is certain: a process of another PID namespace (a container) is never taken for dead."""
        return self.pid_namespace == _pid_namespace() and start_time(self.pid) != self.started


def _pid_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino
