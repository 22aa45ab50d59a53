"""What a rank writes while it runs, one JSON line per event, so that a rank that dies leaves everything up to then.

{"event": "begin", ...}          the process runs our code
{"event": "ready", ...}          model and data are there; the next thing is the first step
[step, warmup, started, seconds, loss, compute, blocked, vote, update, injected, asked]
{"event": "evaluation", ...}
{"event": "fault", ...}          what is to happen to this rank's job happens now
{"event": "recovery", ...}       the workers have changed, and have met again
{"event": "surroundings", ...}   training is over: what happened around it
{"event": "failure", ...} | {"event": "diverged", ...} | {"event": "end", ...}
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from suite.record.rank import Happened, Recovery, Startup, Surroundings, Telemetry
from suite.training.evaluation import Evaluation

FOLDER_PATTERN = "rank-*.jsonl"


@dataclass(frozen=True)
class Step:
    """One step as its rank saw it; NaN: not known. `blocked` is all standing still for others, whatever the reason, and
    `vote` the part of it in which votes were taken."""

    number: int
    warmup: bool
    started: float
    seconds: float
    loss: float
    compute: float = math.nan
    blocked: float = math.nan
    vote: float = math.nan
    update: float = math.nan
    injected: float = 0.0
    asked: float = 0.0


@dataclass(frozen=True)
class Failure:
    """A rank's own account of why it ended. `consequence`: it only noticed that another rank was gone."""

    message: str
    kind: str
    trace: str = ""
    time: float = 0.0
    consequence: bool = False


@dataclass(frozen=True)
class EvaluationPart:
    """What one rank counted on its part of the held-out data."""

    step: int
    seen: int
    bytes_sent: int
    seconds: float
    wall_seconds: float
    counts: Evaluation


@dataclass(frozen=True)
class RankFile:
    """Everything one rank managed to say."""

    rank: int
    host: str = ""
    process: int = 0
    began: float = math.nan
    zero: float = math.nan  # system time from which this rank's times count
    startup: Startup | None = None
    parameter_bytes: int | None = None
    memory_start_bytes: int | None = None
    fingerprint: Mapping[str, Any] | None = None
    steps: tuple[Step, ...] = ()
    evaluations: tuple[EvaluationPart, ...] = ()
    failure: Failure | None = None
    diverged: tuple[int, str] | None = None
    end: Mapping[str, Any] | None = None
    telemetry: Telemetry | None = None
    surroundings: Surroundings | None = None
    happened: Happened | None = None
    recoveries: tuple[Recovery, ...] = ()

    @property
    def last_step(self) -> int | None:
        return self.steps[-1].number if self.steps else None

    @property
    def over(self) -> bool:
        """The rank has said its last word."""
        return self.end is not None or self.failure is not None or self.diverged is not None


class RankWriter:
    """Each line reaches the system at once; nothing is synced to disk, a crashed machine is not our fault to survive."""

    def __init__(self, folder: Path, rank: int) -> None:
        self.path = folder / f"rank-{rank}.jsonl"
        self.rank = rank
        self._file: TextIO = self.path.open("w", buffering=1, encoding="utf-8")

    def event(self, event: str, /, **content: Any) -> None:
        self._file.write(json.dumps({"event": event, "rank": self.rank} | content) + "\n")

    def step(self, step: Step) -> None:
        self._file.write(step_line(step) + "\n")

    def failure(self, failure: Failure) -> None:
        self.event("failure", **failure.__dict__)

    def close(self) -> None:
        self._file.close()


def step_line(step: Step) -> str:
    """Seven digits: a tenth of a microsecond, finer than any clock here."""
    times = (step.started, step.seconds, step.loss, step.compute, step.blocked, step.vote, step.update)
    rounded = [round(value, 7) for value in (*times, step.injected, step.asked)]
    return json.dumps([step.number, int(step.warmup), *rounded])


@dataclass
class _Draft:
    fields: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    evaluations: list[EvaluationPart] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)


def read_rank(path: Path) -> RankFile:
    """As much as can be read: the line that a killed rank was writing is left out."""
    rank = int(path.stem.removeprefix("rank-"))
    draft = _Draft()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            content = json.loads(line)
            if isinstance(content, list):
                draft.steps.append(Step(content[0], bool(content[1]), *(float(value) for value in content[2:])))
            else:
                _take(content, draft)
        except (ValueError, TypeError, KeyError, IndexError):
            continue
    return RankFile(
        rank,
        steps=tuple(draft.steps),
        evaluations=tuple(draft.evaluations),
        recoveries=tuple(draft.recoveries),
        **draft.fields,
    )


def read_ranks(folder: Path) -> tuple[RankFile, ...]:
    found = [read_rank(path) for path in folder.glob(FOLDER_PATTERN)]
    return tuple(sorted(found, key=lambda one: one.rank))


def _take(content: dict[str, Any], draft: _Draft) -> None:
    kind = content.pop("event")
    content.pop("rank")
    if kind == "begin":
        draft.fields |= {"host": content["host"], "process": content["process"], "began": content["time"]}
    elif kind == "ready":
        draft.fields |= {
            "startup": Startup.model_validate(content["startup"]),
            "parameter_bytes": content["parameter_bytes"],
            "memory_start_bytes": content["memory_start_bytes"],
            "fingerprint": content.get("fingerprint"),
        }
    elif kind == "start":
        draft.fields["zero"] = content["time"]
    elif kind == "evaluation":
        keys = ("samples", "loss_sum", "top1_count", "top5_count")
        counts = Evaluation(**{key: content.pop(key) for key in keys})
        draft.evaluations.append(EvaluationPart(counts=counts, **content))
    elif kind == "fault":
        del content["host"]
        draft.fields["happened"] = Happened.model_validate(content)
    elif kind == "recovery":
        draft.recoveries.append(Recovery.model_validate(content))
    elif kind == "surroundings":
        draft.fields["surroundings"] = Surroundings.model_validate(content)
    elif kind == "failure":
        draft.fields["failure"] = Failure(**content)
    elif kind == "diverged":
        draft.fields["diverged"] = (content["step"], content["message"])
    elif kind == "end":
        draft.fields["telemetry"] = Telemetry.model_validate(content.pop("telemetry"))
        draft.fields["end"] = content
