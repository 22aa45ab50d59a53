"""What a step has measured, read from what its commands left: records, profiles, and what they said."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from suite.record.schema import Record
from suite.record.store import Store

OUTPUTS = "stdout-*"  # of the step's commands, in their order


def lines(folder: Path) -> Mapping[str, object]:
    """What was said as JSON."""
    return {"said": list(_said(folder))}


def tests(folder: Path) -> Mapping[str, object]:
    """pytest's last line."""
    text = "".join(path.read_text(errors="replace") for path in sorted(folder.glob(OUTPUTS)))
    found = re.findall(r"^=* ?((?:\d+ \w+(?:, )?)+) in [\d.]+s", text, re.MULTILINE)
    return {"tests": found[-1]} if found else {}


def exposed(folder: Path) -> Mapping[str, object]:
    """Seconds per step, beyond those without communication, and what the training thread says it stood still.

    On a GPU that last one holds computing, too: the thread that waits has launched it, not done it.
    """
    records = list(_records(folder))
    alone = next((_step_seconds(record) for record in records if record.labels.algorithm == "no_communication"), None)
    found = {}
    for record in records:
        counted, seconds = record.ranks[0].telemetry, _step_seconds(record)
        found[record.labels.algorithm] = {
            "step_seconds": seconds,
            "beyond_no_communication": None if alone is None else seconds - alone,
            "stood_still": counted.exposed_seconds / counted.steps if counted and counted.steps else None,
        }
    return {"algorithms": found, "traces": sorted(path.name for path in (folder / "traces").glob("*.json"))}


def _step_seconds(record: Record) -> float:
    return statistics.fmean(second for rank in record.ranks for second in rank.steps.seconds)


def profiles(folder: Path) -> Mapping[str, object]:
    """Whole steps; the layers are in the files."""
    found = {}
    for path in sorted(folder.glob("*-torch-*.json")):
        content = json.loads(path.read_text())
        found[path.name] = {
            "machine": content["machine"],
            "forward_seconds": sum(layer["forward_seconds"] for layer in content["layers"]),
            "backward_seconds": sum(layer["backward_seconds"] for layer in content["layers"]),
            "layers": len(content["layers"]),
        }
    return {"profiles": found}


def gradients(folder: Path) -> Mapping[str, object]:
    """Of each record that `train --virtual --json` has printed: gradients computed per second of real time."""
    found = []
    for record in _said(folder):
        asked, seconds = record.get("specification", {}), record.get("wall_seconds")
        if not seconds or "workers" not in asked:
            continue
        count = asked["workers"] * (asked["steps"] + asked.get("warmup", 0))
        found.append(
            {
                "model": asked["model"]["name"],
                "workers": asked["workers"],
                "gradients": count,
                "seconds": seconds,
                "gradients_per_second": count / seconds,
            }
        )
    return {"runs": found}


def memory(folder: Path) -> Mapping[str, object]:
    """Bytes held at most, and beyond those of no communication as copies of the parameters, beside what was declared."""
    records = list(_records(folder))
    alone = next((_most(record) for record in records if record.labels.algorithm == "no_communication"), None)
    found = {}
    for record in records:
        rank, most = record.ranks[0], _most(record)
        if most is None or not rank.parameter_bytes:
            continue
        found[record.labels.algorithm] = {
            "bytes": most,
            "measured_copies": None if alone is None else round((most - alone) / rank.parameter_bytes, 3),
            "declared_copies": rank.telemetry.memory_declared if rank.telemetry else None,
        }
    return {
        "of": "GPU" if any(rank.device_peak_bytes for one in records for rank in one.ranks) else "main memory"
    } | found


def _most(record: Record) -> int | None:
    sizes = [
        size
        for rank in record.ranks
        for size in [rank.device_peak_bytes or rank.memory_steady_bytes]
        if size is not None
    ]
    return max(sizes, default=None)


def _records(folder: Path) -> Iterator[Record]:
    if (folder / "records").is_dir():
        yield from (record for record in Store(folder / "records").read().latest() if record.finished)


def _said(folder: Path) -> Iterator[dict[str, Any]]:
    """The objects among what was said: a whole output, or lines of one."""
    for path in sorted(folder.glob(OUTPUTS)):
        text = path.read_text(errors="replace")
        whole = _object(text)
        yield from [whole] if whole is not None else filter(None, map(_object, text.splitlines()))


def _object(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text[text.index("{") :])  # horovodrun puts the rank before it
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
