"""Finds in a log what really went wrong, and what to do about it."""

from __future__ import annotations

import itertools
import re
import signal
from collections.abc import Sequence

ERROR_LINES = 12

CAUSE = re.compile(
    r"error:|fatal error|undefined reference|Killed signal|internal compiler error|No space left on device|CMake Error|"
    r"cannot find -l|command not found|No module named|No such file or directory|ERROR: (?!Failed building|Failed to build)"
)
NOT_A_CAUSE = re.compile(
    r"as error:|^[\"']|-Werror|subprocess-exited-with-error|warning:|note:|error_code|has-error|returned non-zero"
)

REMEDIES = (
    (
        r"Killed signal|out of memory|Cannot allocate memory",
        "the machine ran out of memory: free some, or build with JOBS=1.",
    ),
    (
        r"No space left on device",
        "the disk is full: free some, or set TMPDIR to a folder on a larger disk.",
    ),
    (
        r"Could NOT find CUDA|CUDAToolkit|nvcc",
        "the CUDA toolkit is missing or too old for this torch.",
    ),
    (
        r"\bnccl",
        "NCCL was not found: remove .venv and run `make setup GPU=1` again.",
    ),
    (
        r"Could NOT find MPI|mpi\.h",
        "the MPI installation is incomplete: install its development package or say MPI=off.",
    ),
    (
        r"NameResolutionError|Temporary failure in name resolution|Connection (refused|timed out|reset)|ReadTimeout",
        "a package index could not be reached: check the network and pip's configuration, then run it again.",
    ),
    (
        r"No matching distribution found for torch",
        "pip found no such build of torch: its index must be reachable, or PIP_FIND_LINKS name a folder with the wheel.",
    ),
    (
        r"No matching distribution found",
        "pip found no such version: check pip's configuration (`pip config list`).",
    ),
)


def causes(log: Sequence[str]) -> list[str]:
    """The lines that name errors, in order, each once, the first ones when there are too many."""
    found: list[str] = []
    for number, line in enumerate(log):
        text = line.strip()
        if CAUSE.search(text) and not NOT_A_CAUSE.search(text) and text not in found:
            found.append(text)
            if text.startswith("CMake Error"):  # its message stands indented below it
                found += [below.strip() for below in itertools.takewhile(str.strip, log[number + 1 : number + 4])]
    return found[:ERROR_LINES]


def remedy(lines: Sequence[str]) -> str:
    """What to do about these errors."""
    text = "\n".join(lines)
    for pattern, advice in REMEDIES:
        if re.search(pattern, text, re.IGNORECASE):
            return advice
    return "read the log; if the errors are the compiler's, try another one: `make setup CXX=g++-12`."


def explanation(what: str, log: Sequence[str], place: str, code: int = 1) -> str:
    """A few lines for the screen: what failed, the real errors, where the rest stands, what to do."""
    found = causes(log)
    if code < 0 and not found:
        name = signal.Signals(-code).name
        return f"{what} it was ended by {name}.\n  The full log: {place}\n  What to do: run it again; nothing is half done."
    shown = "\n".join(f"    {line[:300]}" for line in found or [line.rstrip() for line in log[-ERROR_LINES:]])
    return f"{what}\n{shown}\n  The full log: {place}\n  What to do: {remedy(found)}"
