"""What a step has measured, read from what its commands left: records, profiles, and what they said."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from suite.run.record import Record
from suite.run.store import Store

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
    """Seconds per step, and of them what the training thread stood still for the exchange."""
    found = {}
    for record in _records(folder):
        rank = record.ranks[0]
        stood = (
            rank.telemetry.exposed_seconds / rank.telemetry.steps if rank.telemetry and rank.telemetry.steps else None
        )
        found[record.labels.algorithm] = {
            "step_seconds": statistics.fmean(second for one in record.ranks for second in one.steps.seconds),
            "exposed_seconds_per_step": stood,
        }
    return {"algorithms": found, "traces": sorted(path.name for path in (folder / "traces").glob("*.json"))}


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
    """What `train --virtual --json` says of itself, without the columns of its steps."""
    brief = [
        {key: value for key, value in one.items() if isinstance(value, int | float | str)} for one in _said(folder)
    ]
    return {"runs": brief}


def memory(folder: Path) -> Mapping[str, object]:
    """Copies of the parameters held at most beyond those of no communication, beside what was declared."""
    records = list(_records(folder))
    alone = next((_most(record) for record in records if record.labels.algorithm == "no_communication"), None)
    found = {}
    for record in records:
        rank, most = record.ranks[0], _most(record)
        if alone is None or most is None or not rank.parameter_bytes:
            continue
        found[record.labels.algorithm] = {
            "measured_copies": round((most - alone) / rank.parameter_bytes, 3),
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
    for path in sorted(folder.glob(OUTPUTS)):
        for line in path.read_text(errors="replace").splitlines():
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if isinstance(content, dict):
                yield content
