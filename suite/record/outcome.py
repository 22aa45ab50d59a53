"""How a run ended."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from suite.record.part import Count, Part


class Reason(StrEnum):
    """Why a run is not a result."""

    START = "start"  # a rank ended before its first step with an error of its own
    ERROR = "error"  # a rank raised
    KILLED = "killed"  # a rank was ended by a signal
    HUNG = "hung"  # the deadline passed
    MEMORY = "out of memory"
    UNREACHABLE = "host unreachable"
    DISK = "disk full"
    INTERRUPTED = "interrupted"  # the harness was told to stop
    CLUSTER = "cluster"  # the cluster did not deliver what was asked
    VERIFICATION = "verification"  # it ended, but ranks are missing or disagree
    HARNESS = "harness"  # a fault of the harness itself


class Finished(Part):
    status: Literal["finished"] = "finished"


class Diverged(Part):
    status: Literal["diverged"] = "diverged"
    step: Count
    message: str = ""


class Failed(Part):
    status: Literal["failed"] = "failed"
    reason: Reason
    message: str
    rank: int | None = None
    step: int | None = None
    stderr_end: str = ""
    exit_code: int | None = None


Outcome = Annotated[Finished | Diverged | Failed, Field(discriminator="status")]
