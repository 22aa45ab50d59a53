"""The sums of all files of an archive, so that a torn one is found before anything is built from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

NAME = "SUMS"  # the first file of the archive: what was cut off behind it is then missed


def written(files: Iterable[tuple[str, bytes]]) -> str:
    """A line for every file, as `sha256sum --check` reads it."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files)


def damage(folder: Path) -> str:
    """What is wrong with the unpacked archive in `folder`, in a few words; empty when it is whole."""
    sums = folder / NAME
    if not sums.exists():
        return f"{NAME} is missing"
    for line in sums.read_text(errors="replace").splitlines():
        expected, _, name = line.partition("  ")
        path = folder / name
        if not name or not path.is_file():
            return f"{name or NAME} is missing or cut"
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            return f"{name} is not what was packed"
    return ""
