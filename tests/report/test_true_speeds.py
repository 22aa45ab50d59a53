"""Records whose true speed is known, and every place that shows a speed: the truth within 1 %."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from suite.record.rank import Rank, Steps, Telemetry
from suite.record.schema import Record
from suite.report import compare, words
from suite.report.charts.specification import Bars, Lines
from suite.report.content import Figure, Report, Table
from suite.report.writers import comma, latex, markdown
from tests.report import scripted, worlds

BATCH, WORKERS = 8, 4
CALM = 0.1  # seconds of a step of everyone else


@dataclass(frozen=True)
class Case:
    """One algorithm's ranks, step by step, and the samples a second that they really did."""

    label: str
    ranks: tuple[tuple[float, ...], ...]
    truth: float
    starts: tuple[float, ...] = (0.0,) * WORKERS
    pauses: float = 0.0  # after every tenth step, for an evaluation
    dropped: tuple[int, ...] = field(default=(0,) * WORKERS)


def alike(*seconds: float, times: int) -> tuple[tuple[float, ...], ...]:
    return (seconds * times,) * WORKERS


CASES = {
    "an exchange every fourth step": Case(
        "elastic_averaging(period=4, asynchronous=true)", alike(0.1, 0.1, 0.1, 0.5, times=10), 160.0
    ),
    "half a period more": Case(
        "elastic_averaging(period=4, asynchronous=true)",
        tuple((*one, 0.1, 0.1) for one in alike(0.1, 0.1, 0.1, 0.5, times=10)),
        160.0,
    ),
    "a straggler in a tenth of the steps": Case(
        "stock_horovod", alike(*[0.1] * 9, 0.5, times=4), WORKERS * BATCH / 0.14
    ),
    "everyone waits for one that is four times slower": Case("stock_horovod", alike(0.4, times=40), 80.0),
    "nobody waits for it": Case("asynchronous", (*[(0.1,) * 40] * 3, (0.4,) * 40), 260.0, starts=(0.4, 0.4, 0.4, 1.6)),
    "a quarter is dropped": Case("backup_workers(spares=1)", alike(0.1, times=40), 240.0, dropped=(0, 0, 0, 40)),
    "evaluated in between": Case("stock_horovod", alike(0.1, times=40), 320.0, pauses=1.0),
    "ranks end at different moments": Case("asynchronous", ((0.1,) * 20, *[(0.1,) * 40] * 3), 320.0),
}


def made(record: Record, case: Case) -> Record:
    """The record as if its ranks had taken those times."""
    ranks = []
    for number, seconds in enumerate(case.ranks):
        pauses = case.pauses * (np.arange(len(seconds)) // 10)
        started = case.starts[number] + np.cumsum(seconds) - seconds + pauses
        steps = Steps(started=tuple(started.tolist()), seconds=seconds, loss=(1.0,) * len(seconds), compute=seconds)
        lost = case.dropped[number]
        telemetry = Telemetry(steps=len(seconds), contributions_used=len(seconds) - lost, contributions_dropped=lost)
        ranks.append(Rank(rank=number, host="h", process=number, steps=steps, telemetry=telemetry))
    specification = record.specification
    if case.pauses:
        specification = specification.model_copy(update={"evaluate_every": 10 * BATCH * WORKERS})
    return record.model_copy(
        update={"ranks": tuple(ranks), "specification": specification, "identity": specification.identity}
    )


def world(case: Case) -> tuple[Record, ...]:
    """The case beside synchronous training and no communication, whose steps all take `CALM`, twice over."""
    labels = dict.fromkeys(("no_communication", "synchronous", case.label))
    records = scripted.records(
        "stragglers",
        *(f"algorithm={label}" for label in labels),
        "straggler=none",
        "straggler=constant*",
        repetitions=2,
    )
    calm = Case("", alike(CALM, times=40), WORKERS * BATCH / CALM)
    return tuple(made(one, case if one.labels.algorithm == case.label else calm) for one in records)


def entries(table: Table, key: str, **where: str) -> list[float]:
    keys = [one.key for one in table.columns]
    rows = [row for row in table.rows if all(row[keys.index(name)].value == value for name, value in where.items())]
    return [float(str(row[keys.index(key)].value)) for row in rows]


def figure(found: Report, name: str) -> Figure:
    return next(one for one in found.figures if one.name == name)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_place_that_shows_a_speed_shows_the_truth(case: Case, tmp_path: Path) -> None:
    near = pytest.approx(case.truth, rel=0.01)
    over = pytest.approx(case.truth / (WORKERS * BATCH / CALM), rel=0.01)
    records = world(case)
    found = worlds.reported(*records)
    tables = {one.name: one for one in found.tables}
    which = {"algorithm": case.label}

    speed, runs = tables["stragglers-emulated-speed"], tables["stragglers-emulated-runs"]
    # What is dropped takes time as well.
    lost = sum(case.dropped) / sum(len(one) for one in case.ranks)
    computed = pytest.approx(1000 * WORKERS * BATCH / case.truth * (1 - lost), rel=0.01)
    assert entries(speed, "samples_per_second", **which) == [near] * 2
    assert entries(speed, "step_ms", **which) == [computed] * 2
    assert entries(speed, "speedup", **which) == [over] * 2
    assert entries(speed, "efficiency", **which) == [over] * 2
    assert entries(runs, "samples_per_second", **which) == [near] * 4
    assert entries(runs, "step_ms", **which) == [computed] * 4

    rows = csv.DictReader(io.StringIO(comma.write(speed)))
    assert [float(row["samples_per_second"]) for row in rows if row["algorithm"] == case.label] == [near] * 2
    place = [one.key for one in speed.columns].index("samples_per_second")
    shown = {row[place].text.split(" [")[0] for row in speed.rows}
    page = markdown.write(next(one for one in found.pages if speed in one.tables))
    assert all(text in latex.write(speed) and text in page for text in shown)

    said = words.algorithm(next(one for one in records if one.labels.algorithm == case.label))
    bars = figure(found, "stragglers-emulated-speedup").chart
    work = figure(found, "stragglers-emulated-stragglers").chart
    parts = figure(found, "stragglers-emulated-parts").chart
    assert isinstance(bars, Bars) and isinstance(work, Bars) and isinstance(parts, Bars)
    assert [one.parts[0] for panel in bars.panels for one in panel.bars if one.label == said] == [over] * 2
    assert [one.parts[0] for panel in work.panels for one in panel.bars if one.label == said] == [near] * 2
    sums = [sum(filter(None, one.parts)) for panel in parts.panels for one in panel.bars if one.label == said]
    assert sums == [computed] * 2, "the parts of a step and the speed add up"

    calm = tuple(made(one, Case("", alike(CALM, times=40), 320.0)) for one in records)
    if not case.pauses:  # what is specified differently is not compared
        first, second = (scripted.write(tmp_path / name, those) for name, those in (("a", calm), ("b", records)))
        times = [one.time for one in compare(first, second).outcomes if one.cell.place.algorithm == case.label]
        assert [one.value for one in times if one is not None] == [pytest.approx(320 / case.truth, rel=0.01)] * 2


def test_the_winner_is_the_one_that_gets_most_done() -> None:
    """Its typical step is four times shorter than the other's; with its exchanges it is twice as fast."""
    case = CASES["an exchange every fourth step"]
    slow = Case("", alike(0.4, times=40), 80.0)
    records = scripted.records(
        "stragglers", "algorithm=synchronous", f"algorithm={case.label}", "straggler=none", repetitions=2
    )
    remade = [made(one, case if one.labels.algorithm == case.label else slow) for one in records]
    numbers = next(one for one in worlds.reported(*remade).tables if one.name == "numbers")
    assert entries(numbers, "value", algorithm=case.label) == [pytest.approx(2.0, rel=0.01)]
    assert len(numbers.rows) == 1, "and it is the only winner"


def test_lines_against_workers_show_the_truth() -> None:
    """Elastic averaging meets every tenth step for a second: half as fast as one worker, times the workers."""
    records = scripted.records(
        "scaling",
        "framework=torch",
        "model=AlexNet",
        "algorithm=synchronous",
        "algorithm=no_communication",
        "algorithm=elastic*",
        repetitions=2,
    )
    remade = []
    for one in records:
        seconds = ((0.1,) * 9 + (1.1,) if "elastic" in one.labels.algorithm else (0.1,) * 10) * 3
        workers = one.labels.workers
        remade.append(made(one, Case("", (seconds,) * workers, 0.0, (0.0,) * workers, dropped=(0,) * workers)))
    chart = figure(worlds.reported(*remade), "scaling-emulated-workers").chart
    assert isinstance(chart, Lines)
    (line,) = [one for one in chart.panels[0].lines if "EASGD" in one.label]
    assert line.x == (2.0, 3.0, 4.0)
    assert line.y == pytest.approx((1.0, 1.5, 2.0), rel=0.01)
    (share,) = [one for one in chart.panels[1].lines if "EASGD" in one.label]
    assert share.y == pytest.approx((0.5, 0.5, 0.5), rel=0.01)
