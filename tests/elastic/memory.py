"""How much memory a worker has."""

from __future__ import annotations

from pathlib import Path


def resident() -> int:
    """Bytes of this process that are in memory, its own alone."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
