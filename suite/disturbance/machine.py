"""What the kernel counts about the whole machine, in seconds since it started; None where it does not say."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

STAT, PRESSURE, BOOT = Path("/proc/stat"), Path("/proc/pressure/cpu"), Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, kw_only=True)
class MachineTime:
    """CPU seconds, added up over all cores, and how long somebody was ready to run and could not."""

    idle: float  # with waiting for disks; exact, where time spent in user and system is sampled at ticks
    interrupts: float  # what the kernel did for devices and networks, on nobody's account
    stolen: float  # by the machine below this one
    stalled: float | None


def now() -> MachineTime | None:
    """None where there is no such kernel."""
    try:
        line = STAT.read_text().split("\n", 1)[0].split()
        tick = os.sysconf("SC_CLK_TCK")
        _, _, _, idle, disks, hard, soft, stolen = (int(field) / tick for field in line[1:9])
    except (OSError, ValueError):
        return None
    return MachineTime(idle=idle + disks, interrupts=hard + soft, stolen=stolen, stalled=_stalled())


def _stalled() -> float | None:
    try:
        found = re.search(r"^some .*total=(\d+)$", PRESSURE.read_text(), re.MULTILINE)
    except OSError:
        return None
    return None if found is None else int(found[1]) / 1e6


def identity() -> str:
    """Equal for all ranks on one kernel, whatever names their hosts have."""
    try:
        return hashlib.sha256(BOOT.read_bytes()).hexdigest()[:12]
    except OSError:
        return ""
