"""Remembers what a finished set-up was made from, so that the next one can see at once that nothing is to be done."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from suite.setup.preflight import Wish

NAME = "farandole-setup.json"


def fingerprint(project: Path, wish: Wish) -> str:
    """Changes when any input of set-up does: the recipe, the pins, the project's metadata, the wish, the Python."""
    hashed = hashlib.sha256(repr((str(project), wish, sys.version, sys.executable)).encode())
    folder = project / "suite" / "setup"
    for path in sorted([project / "pyproject.toml", *folder.glob("*.py"), *folder.glob("*.txt")]):
        hashed.update(path.name.encode())
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


def is_current(venv: Path, project: Path, wish: Wish) -> bool:
    try:
        stored = json.loads((venv / NAME).read_text())
    except (OSError, ValueError):
        return False
    built = list(venv.glob("lib/python*/site-packages/horovod/*/mpi_lib*.so"))
    return bool(stored.get("fingerprint") == fingerprint(project, wish)) and len(built) >= 2


def write(venv: Path, project: Path, wish: Wish) -> None:
    (venv / NAME).write_text(json.dumps({"fingerprint": fingerprint(project, wish)}) + "\n")


def forget(venv: Path) -> None:
    (venv / NAME).unlink(missing_ok=True)
