"""Every speed of the committed report once more, from the raw records, in plain Python and without the report's modules."""

from __future__ import annotations

import csv
import json
import lzma
import math
import re
import statistics
import tarfile
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from suite.disturbance.judging import disturbed
from suite.record import lean
from suite.record.schema import Record

REFERENCE = Path(__file__).parents[2] / "reports" / "reference"
TABLES = REFERENCE / "report" / "tables"


def raw() -> dict[tuple[str, str, str], dict[str, Any]]:
    """Of every run its first attempt that nothing disturbed, else the last, which says so."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    calm: set[tuple[str, str, str]] = set()
    for path in (REFERENCE / "records").glob("*/records.tar.xz"):
        with tarfile.open(path) as tar:
            texts = [tar.extractfile(member).read() for member in tar]  # type: ignore[union-attr]
        records = [lean.full(json.loads(text)) for text in texts]  # with the columns that follow from others
        again = any(record["attempt"] for record in records)
        troubled = disturbed([Record.model_validate(record) for record in records]) if again else {}
        for place, record in sorted(enumerate(records), key=lambda one: one[1]["attempt"]):
            key = record["experiment"], record["identity"], str(record["repetition"])
            if key not in calm:
                found[key] = record | {"disturbed": place in troubled}
            if place not in troubled and record["outcome"]["status"] != "failed":
                calm.add(key)
    return found


def ahead(algorithm: dict[str, Any], facts: dict[str, Any]) -> int:
    """Steps that wait for nothing where nothing is under way. Older records do not say it."""
    if facts.get("ahead") is not None:
        return int(facts["ahead"])
    options = algorithm["options"]
    found = {"delayed": options.get("steps", 1), "layerwise": options.get("order", "forward") == "forward"}
    return int(found.get(algorithm["name"], 0))


def meet(asked: dict[str, Any], facts: dict[str, Any] | None) -> bool:
    """Whether all wait for all, but not in every step."""
    if facts is not None:
        return bool(facts["every"] > 1 and facts["waits_for"] == asked["workers"])
    algorithm, options = asked["algorithm"]["name"], asked["algorithm"]["options"]
    everybody = algorithm in ("elastic_averaging", "local_sgd", "slowmo", "diloco", "adasum")
    return everybody and options.get("period", 1) > 1 and not options.get("asynchronous")


def counted(record: dict[str, Any]) -> tuple[list[list[tuple[float, float]]], float, float]:
    """When each step of each rank began and ended, and which of that time counts."""
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
    first = min(ahead(asked["algorithm"], record.get("facts") or {}), *(len(steps) - 1 for steps in spans))
    begin = max(steps[first][0] for steps in spans)
    if meet(asked, record.get("facts")):  # each its own whole periods
        spans = [[(b + begin - steps[first][0], e + begin - steps[first][0]) for b, e in steps] for steps in spans]
    counts = [len(steps) - first for steps in spans]
    end = min(
        steps[first + (count // period * period or count) - 1][1] for steps, count in zip(spans, counts, strict=True)
    )
    return spans, begin, end


def share(step: tuple[float, float], begin: float, end: float) -> float:
    """How much of a step was done while it counted."""
    return max(0.0, min(step[1], end) - max(step[0], begin)) / (step[1] - step[0])


def work_over_time(record: dict[str, Any]) -> float:
    """Samples of all ranks that were used, a second."""
    spans, begin, end = counted(record)
    done = sum(share(step, begin, end) for steps in spans for step in steps)
    told = [rank["telemetry"] for rank in record["ranks"] if rank["telemetry"]]
    used = sum(one["contributions_used"] for one in told)
    lost = sum(one["contributions_dropped"] + one.get("contributions_given_up", 0) for one in told)
    batch = record["specification"]["batch_size"]
    return float(done * batch / (end - begin) * (used / (used + lost) if used else 1.0))


def undisturbed(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was disturbed counts where there is nothing else."""
    return [one for one in runs if not one["disturbed"]] or runs


def in_votes(record: dict[str, Any]) -> float:
    """The share of its time that ranks stood still for votes."""
    spans, begin, end = counted(record)
    stood = sum(
        share(step, begin, end) * vote
        for rank, steps in zip(record["ranks"], spans, strict=True)
        for step, vote in zip(steps, rank["steps"]["vote"], strict=True)
    )
    return float(stood / ((end - begin) * len(spans)))


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
                asked = record["specification"]
                silent = asked.get("measure_memory") or asked.get("faults")  # what is asked there is no speed
                assert silent or record["outcome"]["status"] != "finished"
    assert checked > 400


def test_every_speed_and_speed_up_is_the_middle_of_its_runs() -> None:
    """Geometric means over repetitions, since a speed-up is a ratio; speed-ups over pairs of the same round."""
    runs: dict[tuple[str, ...], dict[tuple[str, int, int], list[float]]] = {}
    finished: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for record in sorted(raw().values(), key=lambda one: one["labels"]["learning_rate"]):
        labels = record["labels"] | {"algorithm": called(record)}
        place = (record["experiment"], *(str(labels.get(axis, "none")) for axis in AXES))
        if record["outcome"]["status"] == "finished":
            finished.setdefault(place, []).append(record)
    for place, those in finished.items():
        for record in undisturbed(those):
            runs.setdefault(place, {}).setdefault(block(record), []).append(work_over_time(record))
    checked = 0
    for path in sorted(TABLES.glob("*-speed.csv")):
        experiment = path.name.rsplit("-", 2)[0]
        for row in csv.DictReader(path.open()):
            where = [
                one
                for one in runs
                if one[0] == experiment and all(_matches(row, one[place + 1], axis) for place, axis in enumerate(AXES))
            ]
            if not row["samples_per_second"]:
                continue  # nothing of it finished
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


def test_every_number_of_the_first_page() -> None:
    """Each is worked out again, and what the page says is made of these numbers and of what was asked for."""
    records = raw()
    rows = list(csv.DictReader((TABLES / "numbers.csv").open()))
    assert len(rows) > 20
    for row in rows:
        middle, low, high = again(row, records)
        assert float(row["value"]) == pytest.approx(middle, rel=0.01), row
        if row["low"]:
            assert (float(row["low"]), float(row["high"])) == pytest.approx((low, high), rel=0.02), row
        else:
            assert "no interval" in row["text"] or row["measure"] == "copies of the parameters", row
        shown = [float(one.rstrip("%")) for one in DIGITS.findall(row["text"])]
        assert shown[0] == pytest.approx(middle * (100 if "%" in row["text"] else 1), rel=0.02), row
    page = (REFERENCE / "report" / "report.md").read_text()
    prose = "\n".join(line for line in page.split('id="claims"')[0].splitlines() if not line.startswith("!["))
    prose = re.sub(r"\]\([^)]*\)|\\", "", prose)
    numbers = {one for row in rows for one in DIGITS.findall(row["text"])} | set(DIGITS.findall(faults(records)))
    asked = {one for row in rows for key in SAID for one in DIGITS.findall(row[key])} | {"95"}
    asked |= {f"{float(row['target']):.6g}" for row in rows if row["target"]}
    asked |= {f"{100 * float(row['target']):.6g}%" for row in rows if row["target"]}
    asked |= {one for record in records.values() for one in DIGITS.findall(record["question"] + options(record))}
    assert not {one for one in DIGITS.findall(prose) if "." in one or "%" in one} - numbers - asked
    assert not set(DIGITS.findall(prose)) - numbers - asked
    for name in ("landing-gain", "landing-map", "landing-learning"):
        written = (REFERENCE / "report" / "figures" / f"{name}.svg").read_text()
        for one in re.findall(r">(\d+\.\d\d) ×<", written):
            assert one in numbers, (name, one)


DIGITS = re.compile(r"\d+(?:[.,]\d+)*%?")
SAID = ("workers", "network", "straggler", "model", "algorithm", "against", "experiment")


def options(record: dict[str, Any]) -> str:
    return f"{record['labels']} {record['specification']['algorithm']['options']}"


def test_what_the_page_of_predictions_says_first() -> None:
    """Predicted over recorded seconds of a step's worth of used work, of what was recorded after it was sealed alone."""
    (path,) = (REFERENCE / "records" / "held-out").glob("*.sealed.xz")
    sealed = json.loads(lzma.decompress(path.read_bytes()))
    recorded: dict[str, list[dict[str, Any]]] = {}
    for record in raw().values():
        recorded.setdefault(record["identity"], []).append(record)
    errors, floors, lines, inside = [], [], [], []
    for one in sealed["expectations"]:
        runs = recorded.get(one["identity"], [])
        if not runs or min(run["created"] for run in runs) < sealed["created"]:
            continue
        took = [run["specification"]["batch_size"] * one["workers"] / work_over_time(run) for run in runs]
        errors.append(abs(one["seconds"] / _middle(took) - 1))
        floors.append(abs(one["floor"] / _middle(took) - 1))
        lines += [abs(one["line"] / _middle(took) - 1)] if "line" in one else []
        inside += [one["low"] <= seconds <= one["high"] for seconds in took]
    middles = [f"{100 * statistics.median(those):.1f}%" for those in (errors, floors, lines)]
    worst, within = f"{100 * max(errors):.1f}%", f"{100 * statistics.mean(inside):.0f}%"
    said = [str(len(errors)), middles[0], worst, within, "90", *middles[1:], str(len(lines))]
    page = (REFERENCE / "report" / "pages" / "predictions.md").read_text()
    sentence = next(line for line in page.splitlines() if "were predicted before they were run" in line)
    assert DIGITS.findall(sentence) == said
    readme = (REFERENCE.parents[1] / "README.md").read_text()
    own = " ".join(readme.partition("Sealed before they were run")[2].partition("Furthest off")[0].split()).replace(
        " %", "%"
    )
    assert set(said) <= set(DIGITS.findall(own)) | {"90"}


PARAMETERS = {"AlexNet": 61_100_840, "GoogLeNet": 6_998_552, "GPT-2 small, untied": 163_037_184}
EXCHANGES = {"AlexNet": 3, "GoogLeNet": 1, "GPT-2 small, untied": 5}  # of at most 128 MB each
BITS, HOPS = {"1GbE": 1e9, "10GbE": 1e10}, {"1GbE": 5e-5, "10GbE": 3e-5, "100GbE": 1e-5, "IB-EDR-like": 2e-6}


def test_shares_on_clusters_that_are_not_here() -> None:
    """A ring passes every byte on 2 (n - 1) / n times, in 2 (n - 1) hops an exchange."""
    (path,) = (REFERENCE / "records" / "scale-out").glob("*.sealed.xz")
    sealed = json.loads(lzma.decompress(path.read_bytes()))["expectations"]
    rings = [one for one in sealed if one["algorithm"] == "synchronous" and not one.get("straggler")]
    assert len(rings) == 3 * 4 * 6  # nets, networks, numbers of workers
    for one in rings:
        net, network, last = one["model"], one["network"], one["workers"] - 1
        carried = 32 * PARAMETERS[net] / one["workers"] / BITS.get(network, 1e11)
        ring = 2 * last * (carried + EXCHANGES[net] * HOPS[network])
        assert one["seconds"] == pytest.approx(one["alone"] + ring, rel=1e-6), one["label"]
    rows = list(csv.DictReader((TABLES / "elsewhere.csv").open()))
    assert len(rows) == 3 * 4
    apart = []
    for row in rows:
        those = [one for one in sealed if (one["model"], one["network"]) == (row["model"], row["network"])]
        those = [one for one in those if one["workers"] == 1024 and not one.get("straggler")]
        shares = {one["algorithm"]: one["alone"] / one["seconds"] for one in those}
        for name in ("synchronous", "stock_horovod", "layerwise", "delayed"):
            assert float(row[name]) == pytest.approx(shares[name], rel=1e-6), row
        assert float(row["best_share"]) == pytest.approx(max(shares.values()), rel=1e-6), row
        assert shares[row["best"]] == max(shares.values()), row
        own, theirs = shares["layerwise"], shares["stock_horovod"]
        said = (
            f"{row['model']} on {row['network']} with 1,024 workers, {own:.0%} and {theirs:.0%} of the machines' speed"
        )
        apart.append((abs(own - theirs), said))
    assert max(apart)[1] in (REFERENCE / "report" / "report.md").read_text()


def faults(records: dict[tuple[str, str, str], dict[str, Any]]) -> str:
    """What the answer on faults has to say: runs, seconds from the fault to the next step, samples lost."""
    found = []
    for record in records.values():
        ranks = record["ranks"]
        (happened,) = [rank["happened"] for rank in ranks if rank.get("happened")] or [None]
        if happened is None:
            continue
        stayed = [rank for rank in ranks if rank["recoveries"]]
        met = max(rank["recoveries"][0]["resumed"] for rank in stayed)
        lines = [(rank[part]["started"], rank[part]["seconds"]) for rank in stayed for part in ("warmup", "steps")]
        ends = [began + took for line in lines for began, took in zip(*line, strict=True) if began + took > met]
        lost = happened["samples_lost"] + sum(one["samples_lost"] for rank in stayed for one in rank["recoveries"])
        found.append((min(ends) - happened["seconds"], lost))
    seconds, samples = sorted(one for one, _ in found), sorted(one for _, one in found)
    return f"{len(found)} {seconds[0]:.3g} {seconds[-1]:.3g} {samples[0]} {samples[-1]}"


def again(row: dict[str, str], records: dict[tuple[str, str, str], dict[str, Any]]) -> tuple[float, float, float]:
    """Middle and 95 % interval, straight from the raw records."""
    there = [one for one in records.values() if one["experiment"] == row["experiment"] and one["kind"] == row["kind"]]
    there = [
        one for one in there if all(str(one["labels"][key]) == row[key] for key in ("framework", "model", "network"))
    ]
    there = [one for one in there if one["labels"]["straggler"] == row["straggler"]]
    here = [one for one in there if str(one["labels"]["workers"]) == row["workers"]]
    ours = [one for one in here if called(one) == row["algorithm"]]
    beside = there if row["measure"] == "× one worker" else here
    theirs = [one for one in beside if called(one) == row["against"]]
    if row["measure"] == "× one worker":
        theirs = [one for one in theirs if one["labels"]["workers"] == 1]
    if row["measure"] in ("× one worker", "× synchronous"):
        return around(
            [math.log(work_over_time(a) / work_over_time(b)) for a, b in matched(ours, theirs, block)], math.exp
        )
    if row["measure"] == "final accuracy":
        middle, low, high = around([one["evaluations"][-1]["top1"] for one in best(ours) if one["evaluations"]], float)
        return middle, max(low, 0.0), min(high, 1.0)  # of all accuracies
    if row["measure"] == "votes in a step":
        middle, low, high = around([in_votes(one) for one in undisturbed(ours)], float)
        return middle, max(low, 0.0), min(high, 1.0)
    if row["measure"] == "copies of the parameters":
        alone = [one for one in here if one["labels"]["algorithm"] == "no_communication"]
        copies = (held(ours) - held(alone)) / ours[0]["ranks"][0]["parameter_bytes"]
        return copies, copies, copies
    amount, target = row["measure"].split(",")[0], float(row["target"])
    pairs = matched(best(ours), best(theirs), lambda one: (one["labels"]["seed"], one["repetition"], code(one)))
    return around([math.log(need(a, target, amount) / need(b, target, amount)) for a, b in pairs], math.exp)


def called(record: dict[str, Any]) -> str:
    """An algorithm whose numbers travel in another format is one of its own."""
    form = record["specification"].get("wire") or "none"
    return str(record["labels"]["algorithm"]) + ("" if form == "none" else f" in {form}")


def matched(ours: list[Any], theirs: list[Any], by: Any) -> list[tuple[Any, Any]]:
    return [
        pair
        for name in sorted({by(one) for one in ours})
        for pair in zip([a for a in ours if by(a) == name], [b for b in theirs if by(b) == name], strict=False)
    ]


def block(record: dict[str, Any]) -> tuple[str, int, int]:
    """What was interleaved; what was tried again at the end of a sweep was not, but with what else was."""
    when = 0 if record["kind"] == "simulated" else record["attempt"]
    return record["sweep"]["identifier"], record["sweep"]["round"], when


def code(record: dict[str, Any]) -> str:
    """Runs of different code are never set beside each other."""
    return str(record["hosts"][0]["other"].get("code"))


def need(record: dict[str, Any], target: float, amount: str) -> float:
    if record["outcome"]["status"] == "diverged":
        return math.inf  # whatever it had reached before
    return next((float(one[amount]) for one in record["reached"] if math.isclose(one["target"], target)), math.inf)


def best(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the learning rates with most runs, the one with which the highest target took the fewest samples."""
    by_rate = {one["labels"]["learning_rate"]: [] for one in runs}  # type: dict[float, list[dict[str, Any]]]
    for one in runs:
        by_rate[one["labels"]["learning_rate"]].append(one)
    targets = sorted(runs[0]["specification"]["targets"], reverse=True)
    most = max(map(len, by_rate.values()))
    return min(
        (those for those in by_rate.values() if len(those) == most),
        key=lambda those: (
            [statistics.median(need(one, target, "samples") for one in those) for target in targets],
            -statistics.median(one["evaluations"][-1]["top1"] if one["evaluations"] else 0.0 for one in those),
        ),
    )


def held(runs: list[dict[str, Any]]) -> float:
    return statistics.median(rank["memory_steady_bytes"] for one in runs for rank in one["ranks"])


def around(values: list[float], back: Any) -> tuple[float, float, float]:
    """Student's interval."""
    middle = statistics.mean(values)
    if len(values) < 2:
        return back(middle), math.nan, math.nan
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return back(middle), back(middle - half), back(middle + half)


AXES = ("framework", "model", "algorithm", "workers", "network", "straggler", "faults")


def _matches(row: dict[str, str], value: str, axis: str) -> bool:
    """A table leaves out what all its rows share."""
    said = row.get(axis)
    return said is None or said == value or {"PyTorch": "torch", "TensorFlow": "tensorflow"}.get(said) == value


def _middle(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))
