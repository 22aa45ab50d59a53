"""What ranks tell the pytest that launched them, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class Ready:
    """A rank has imported the test file and looked for its tests."""

    rank: int
    pid: int
    missing: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Started:
    rank: int
    test: str


@dataclass(frozen=True)
class Ended:
    """A rank is done with a test: its reports as pytest serialises them, and what it wrote meanwhile."""

    rank: int
    test: str
    reports: list[dict[str, Any]] = field(default_factory=list)
    output: str = ""


Message = Ready | Started | Ended


class Answer(Enum):
    """A rank goes on to its next test only when all ranks have finished the last one."""

    GO = "go"
    STOP = "stop"
