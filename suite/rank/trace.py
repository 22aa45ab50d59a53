"""One timeline of all ranks in Chrome's trace format, which Perfetto and chrome://tracing open.

A process per rank, with a line for its steps and their parts, and lines for the spans that the rank recorded itself (the
layers, what travelled, the votes). Horovod's own timeline (what travels, tensor by tensor) is written by rank 0 only and
stands beside rank 0. What no span tells, and why, is in the trace's `otherData`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from suite.rank.samples import RankFile, Step

HOROVOD_TIMELINE = "timeline.json"
STEPS, PARTS, LAYERS = 0, 1, 2  # and one more for each further thread that a rank tells of
_VOTE = re.compile(r"\bvote\b")  # in the names under which rounds vote


def merge(folder: Path, files: Sequence[RankFile], target: Path) -> None:
    """Everything that the ranks of one run left, as one file."""
    events: list[dict[str, Any]] = []
    untold: dict[str, None] = {}
    for file in files:
        events += _names(file)
        for step in file.steps:
            events += _step(file.rank, step)
        path = folder / f"spans-{file.rank}.json"
        if path.exists():
            own = json.loads(path.read_text())
            events += _layers(file.rank, own["spans"])
            untold |= dict.fromkeys(own["untold"])
    events += _horovod(folder, files)
    target.parent.mkdir(parents=True, exist_ok=True)
    content = {"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"untold": list(untold)}}
    target.write_text(json.dumps(content))


def _names(file: RankFile) -> Iterator[dict[str, Any]]:
    yield {"ph": "M", "pid": file.rank, "name": "process_name", "args": {"name": f"rank {file.rank} on {file.host}"}}
    for line, name in ((STEPS, "steps"), (PARTS, "parts of a step"), (LAYERS, "layers")):
        yield _line(file.rank, line, name)


def _line(rank: int, line: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": rank, "tid": line, "name": "thread_name", "args": {"name": name}}


def span(rank: int, line: int, name: str, start: float, seconds: float, **details: Any) -> dict[str, Any]:
    """`start` and `seconds` in seconds from the ranks' common zero."""
    event = {"ph": "X", "pid": rank, "tid": line, "name": name, "ts": start * 1e6, "dur": seconds * 1e6}
    return event | ({"args": details} if details else {})


def _step(rank: int, step: Step) -> Iterator[dict[str, Any]]:
    name = f"{'warm-up ' if step.warmup else ''}step {step.number}"
    loss = None if math.isnan(step.loss) else step.loss
    yield span(rank, STEPS, name, step.started, step.seconds, loss=loss)
    # Drawn one after another, as far as they are known: inside a step they may have taken turns.
    at = step.started
    parts = (
        ("straggler delay", step.injected),
        ("compute", step.compute),
        ("wait and exchange", step.blocked if math.isnan(step.vote) else step.blocked - step.vote),
        ("vote", step.vote),
        ("update", step.update),
    )
    for what, seconds in parts:
        if seconds > 0:  # not for NaN
            yield span(rank, PARTS, what, at, seconds)
            at += seconds


def _layers(rank: int, spans: Sequence[Sequence[Any]]) -> Iterator[dict[str, Any]]:
    lines = {"": LAYERS}
    exchanged_until: list[float] = []  # one for each line of exchanges
    for name, start, seconds, thread in spans:
        kind = name.partition(" ")[0]
        if kind == "vote":
            thread = "votes"
        elif kind == "exchange":  # several are under way at once, and a line holds no spans that overlap
            place = next((at for at, end in enumerate(exchanged_until) if end <= start), len(exchanged_until))
            exchanged_until[place : place + 1] = [start + seconds]
            thread = f"exchanges {place + 1}"
        if thread not in lines:
            lines[thread] = LAYERS + len(lines)
            yield _line(rank, lines[thread], thread)
        yield span(rank, lines[thread], name, start, seconds)


def _horovod(folder: Path, files: Sequence[RankFile]) -> Iterator[dict[str, Any]]:
    """Horovod's events, moved to the ranks' zero. Its file lacks the closing bracket if the job ended early."""
    path = folder / HOROVOD_TIMELINE
    zero = next((file.zero for file in files if file.rank == 0), math.nan)
    if not path.exists() or math.isnan(zero):
        return
    text = path.read_text().rstrip().rstrip(",")
    try:
        events = json.loads(text if text.endswith("]") else text + "]")
    except ValueError:
        return
    offset = next((event["args"]["start_time_since_epoch_in_micros"] for event in events if _is_clock(event)), None)
    if offset is None:
        return
    for event in events:
        if event.get("name") == "process_name" and "name" in event.get("args", {}):
            what = "vote" if _VOTE.search(event["args"]["name"]) else "exchange"
            yield event | {"pid": _beside(event["pid"]), "args": {"name": f"{what}: {event['args']['name']}"}}
        elif event.get("ph") in ("B", "E", "X") and "ts" in event:
            yield event | {"pid": _beside(event["pid"]), "ts": event["ts"] + offset - zero * 1e6}


def _is_clock(event: Any) -> bool:
    return isinstance(event, dict) and "start_time_since_epoch_in_micros" in event.get("args", {})


def _beside(process: int) -> int:
    """Horovod draws every tensor as a process; these numbers keep clear of the ranks."""
    return 1_000_000 + int(process)
