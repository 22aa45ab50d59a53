"""One line of the doctor's screen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Status(StrEnum):
    OK = "ok"
    NOTE = "note"  # works; something optional is missing or worth knowing
    PROBLEM = "problem"


@dataclass(frozen=True)
class Check:
    name: str
    status: Status
    found: str
    advice: str = ""

    def as_dict(self) -> dict[str, str]:
        return {key: str(value) for key, value in asdict(self).items()}


def ok(name: str, found: str) -> Check:
    return Check(name, Status.OK, found)


def note(name: str, found: str, advice: str = "") -> Check:
    return Check(name, Status.NOTE, found, advice)


def problem(name: str, found: str, advice: str) -> Check:
    return Check(name, Status.PROBLEM, found, advice)
