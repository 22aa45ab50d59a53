"""Every speed of the committed report once more, from the raw records, in plain Python and without the report's modules."""

from __future__ import annotations

import csv
import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

REFERENCE = Path(__file__).parents[2] / "reports" / "reference"
TABLES = REFERENCE / "report" / "tables"


def raw() -> dict[tuple[str, str, str], dict[str, Any]]:
    """Of every run its last attempt."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for path in sorted((REFERENCE / "records").glob("*/*.json*"), key=lambda path: path.name.rsplit("-a", 1)[1]):
        text = path.read_bytes()
        record = json.loads(gzip.decompress(text) if path.suffix == ".gz" else text)
        found[record["experiment"], record["identity"], str(record["repetition"])] = record
    return found


def work_over_time(record: dict[str, Any]) -> float:
    """Samples of all ranks that were used, a second."""
    asked = record["specification"]
    period = math.lcm(asked["algorithm"]["options"].get("period", 1), asked.get("steps_per_execution", 1))
    if (asked.get("straggler") or "").startswith("pause:every="):
        period = math.lcm(period, int(asked["straggler"].split("every=")[1].split(",")[0]))
    spans = []
    for rank in record["ranks"]:
        steps, clock = [], rank["steps"]["started"][0]
        for began, seconds in zip(rank["steps"]["started"], rank["steps"]["seconds"], strict=True):
            began = clock if asked["evaluate_every"] else began  # what lies between steps is evaluation there
            clock = began + seconds
            steps.append((began, clock))
        spans.append(steps)
    begin = max(steps[0][0] for steps in spans)
    end = min(steps[(len(steps) // period * period or len(steps)) - 1][1] for steps in spans)
    done = sum((min(e, end) - max(b, begin)) / (e - b) for steps in spans for b, e in steps if e > begin and b < end)
    told = [rank["telemetry"] for rank in record["ranks"] if rank["telemetry"]]
    used = sum(one["contributions_used"] for one in told)
    lost = sum(one["contributions_dropped"] + one.get("contributions_given_up", 0) for one in told)
    return float(done * asked["batch_size"] / (end - begin) * (used / (used + lost) if used else 1.0))


def test_every_runs_speed_is_work_over_time() -> None:
    records = raw()
    checked = 0
    for path in sorted(TABLES.glob("*-runs.csv")):
        for row in csv.DictReader(path.open()):
            record = records[path.name.rsplit("-", 2)[0], row["identity"], row["repetition"]]
            if row["samples_per_second"]:
                checked += 1
                assert float(row["samples_per_second"]) == pytest.approx(work_over_time(record), rel=0.01), row
            else:
                assert record["specification"].get("measure_memory") or record["outcome"]["status"] != "finished"
    assert checked > 400


def test_every_speed_and_speed_up_is_the_middle_of_its_runs() -> None:
    """Geometric means over repetitions, since a speed-up is a ratio; speed-ups over pairs of the same round."""
    runs: dict[tuple[str, ...], dict[tuple[str, int], list[float]]] = {}
    for record in sorted(raw().values(), key=lambda one: one["labels"]["learning_rate"]):
        labels = record["labels"]
        place = (record["experiment"], *(str(labels[axis]) for axis in AXES))
        block = (record["sweep"]["identifier"], record["sweep"]["round"])
        if record["outcome"]["status"] == "finished":
            runs.setdefault(place, {}).setdefault(block, []).append(work_over_time(record))
    checked = 0
    for path in sorted(TABLES.glob("*-speed.csv")):
        experiment = path.name.rsplit("-", 2)[0]
        for row in csv.DictReader(path.open()):
            where = [
                one
                for one in runs
                if one[0] == experiment and all(_matches(row, one[place + 1], axis) for place, axis in enumerate(AXES))
            ]
            (place,) = where
            rates = [rate for block in runs[place].values() for rate in block]
            assert float(row["samples_per_second"]) == pytest.approx(_middle(rates), rel=0.01), row
            if row.get("speedup") and row["algorithm"] != "synchronous":
                beside = runs[
                    (*place[: AXES.index("algorithm") + 1], "synchronous", *place[AXES.index("algorithm") + 2 :])
                ]
                pairs = [
                    ours / theirs
                    for block in runs[place]
                    for ours, theirs in zip(runs[place][block], beside.get(block, ()), strict=False)
                ]
                assert float(row["speedup"]) == pytest.approx(_middle(pairs), rel=0.01), row
                checked += 1
    assert checked > 150


AXES = ("framework", "model", "algorithm", "workers", "network", "straggler")


def _matches(row: dict[str, str], value: str, axis: str) -> bool:
    """A table leaves out what all its rows share."""
    said = row.get(axis)
    return said is None or said == value or {"PyTorch": "torch", "TensorFlow": "tensorflow"}.get(said) == value


def _middle(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))
