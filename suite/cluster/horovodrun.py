"""The horovodrun command line, in one place."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from suite.cluster.contract import ClusterError


def executable() -> str:
    """The horovodrun that belongs to this Python, before whatever PATH finds."""
    beside = Path(sys.executable).with_name("horovodrun")
    found = str(beside) if beside.exists() else shutil.which("horovodrun")
    if not found:
        raise ClusterError("horovodrun is not installed with this Python nor on PATH")
    return found


def horovodrun(
    ranks: int, places: Sequence[tuple[str, int]], argv: Sequence[str], options: Sequence[str] = ()
) -> list[str]:
    hosts = ",".join(f"{host}:{slots}" for host, slots in places)
    return [executable(), "--gloo", "-np", str(ranks), "-H", hosts, *options, *argv]
