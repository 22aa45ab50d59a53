"""A CPU quota for the calling process, through control groups (v1 or v2). Refuses where it may not set one."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from suite.cluster.contract import ClusterUnavailableError
from suite.cluster.emulated.leftovers import name_for, owner_of
from suite.cluster.emulated.linux import Owner

# The kernel's default of 100 ms would let a rank run a whole short step at full speed and stop in the next.
_PERIOD_MICROSECONDS = 10_000
_numbers = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Hierarchy:
    """Where this process's CPU control group is: `own`, and `parent`, in which a new one can be made."""

    version: int
    own: Path
    parent: Path

    def limit(self, group: Path, cores: float) -> None:
        quota = round(cores * _PERIOD_MICROSECONDS)
        if self.version == 2:
            (group / "cpu.max").write_text(f"{quota} {_PERIOD_MICROSECONDS}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_MICROSECONDS))
            (group / "cpu.cfs_quota_us").write_text(str(quota))


def find(root: Path = Path("/sys/fs/cgroup"), own: str | None = None) -> Hierarchy:
    """`own` is the text of /proc/self/cgroup."""
    memberships = dict(_memberships(Path("/proc/self/cgroup").read_text() if own is None else own))
    if "cpu" in memberships:
        group = next(
            (g for g in root.glob("cpu*") if (g / "cpu.cfs_quota_us").exists() or (g / "cpu.shares").exists()), None
        )
        if group is None:
            raise ClusterUnavailableError("no CPU quota: the cpu control groups are not mounted")
        place = group / memberships["cpu"].lstrip("/")
        return Hierarchy(version=1, own=place, parent=place)
    if "" in memberships and (root / "cgroup.controllers").exists():
        place = root / memberships[""].lstrip("/")
        # In v2 a group with processes in it may not hand controllers down (the root group may): use its parent.
        parent = place if place == root else place.parent
        try:
            controllers = (parent / "cgroup.subtree_control").read_text().split()
        except OSError as error:
            raise ClusterUnavailableError(f"no CPU quota: {error}") from None
        if "cpu" not in controllers:
            raise ClusterUnavailableError(f"no CPU quota: the cpu controller is not enabled below {parent}")
        return Hierarchy(version=2, own=place, parent=parent)
    raise ClusterUnavailableError("no CPU quota: this system has no cpu control groups")


def _memberships(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


@contextlib.contextmanager
def quota(cores: float, hierarchy: Hierarchy | None = None) -> Iterator[None]:
    """Every thread of this process, and what it starts, gets `cores` together; as before afterwards."""
    if not 0.1 <= cores <= 1024:
        raise ValueError(f"cores is {cores}, must be between 0.1 and 1024")
    where = hierarchy or find()
    _remove_leftovers(where.parent)
    group = where.parent / name_for(Owner.this_process(), next(_numbers))
    try:
        group.mkdir()
        where.limit(group, cores)
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        raise ClusterUnavailableError(f"no CPU quota: {error}") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (where.own / "cgroup.procs").write_text(str(os.getpid()))
            group.rmdir()


def _remove_leftovers(parent: Path) -> None:
    """Groups of ranks that were killed. Only empty ones can be removed, so no living process can lose its group."""
    for group in parent.glob("farandole-*"):
        owner = owner_of(group.name)
        if owner and owner.is_gone():
            with contextlib.suppress(OSError):
                group.rmdir()
