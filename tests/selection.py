"""Which files `make check` runs: those that neither import a framework nor start processes nor make networks.

Read from the imports of the file and of what it takes from `tests`, so that a new file is sorted by itself.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).parents[1]
SLOW = {
    "torch",
    "tensorflow",
    "keras",
    "subprocess",
    "playwright",
    "emulated",
    "horovodrun",
    "warm",
}  # parts of modules' names


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """The modules that a file imports, at its top or inside a function, and what it takes from them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return frozenset(found)


def is_quick(path: Path, seen: frozenset[Path] = frozenset()) -> bool:
    for name in imported(path):
        if SLOW & set(name.replace("_", ".").split(".")):
            return False
        ours = (ROOT / name.replace(".", "/")).with_suffix(".py")
        if name.startswith("tests.") and ours.exists() and ours not in seen and not is_quick(ours, seen | {path, ours}):
            return False
    return True
