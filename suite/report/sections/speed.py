"""The table of an experiment: every algorithm in every setting, beside reference, control, ceiling and floor."""

from __future__ import annotations

from dataclasses import replace

from suite.report import formats
from suite.report.arms import Arm, Group
from suite.report.content import Column, Entry, Table
from suite.report.measures import Comparison, Measures
from suite.report.sections.wording import column, entry, varying
from suite.report.study import Experiment, Study
from suite.statistics import Verdict

MEASURED = (
    Column("runs", "runs", True, "finished of asked for", detail=True),
    Column("step_ms", "step, ms", True, "time over steps of the whole job, and where the truth lies (95 %)"),
    Column("samples_per_second", "samples/s", True, "of all workers together; dropped work does not count"),
    Column("speedup", "× synchronous", True, "how many times as fast as plain synchronous training; above 1 is faster"),
    Column(
        "verdict", "verdict", False, "against synchronous, at 95 %; unknown where a single run, or none, could say so"
    ),
    Column("over_control", "× stock Horovod", True, "the control: what Horovod itself does"),
    Column("efficiency", "of the ceiling", True, "share of the speed without any communication"),
    Column(
        "floor_ms", "floor, ms", True, "the least a step can take: computing and wire time, hidden or not", detail=True
    ),
    Column("over_floor", "× floor", True, "step time as a multiple of its floor", detail=True),
    Column("exposed_ms", "exposed, ms", True, "standing still for bytes on the wire, per step and rank", detail=True),
    Column("wait_ms", "waiting, ms", True, "standing still for ranks that were not ready", detail=True),
    Column("dropped", "dropped", True, "share of the contributions that were thrown away", detail=True),
    Column("outcome", "outcome", False, "what became of the runs", detail=True),
    Column("command", "repeat with", False, "the first run of this row", detail=True),
)


def table(experiment: Experiment, study: Study) -> Table | None:
    """None for experiments on memory, which show no speeds."""
    if all(arm.for_memory for arm in experiment.arms):
        return None
    axes = varying(group.setting for group in experiment.groups)
    columns = tuple(column(axis) for axis in axes)
    columns += (Column("algorithm", "algorithm"), *MEASURED)
    rows = tuple(
        (
            *(entry(group.setting, axis) for axis in axes),
            Entry(arm.title, arm.label, exact=arm.label),
            *_numbers(arm, study.of(arm), group),
        )
        for group in experiment.groups
        for arm in group.arms
    )
    filled = [place for place in range(len(columns)) if any(row[place].value is not None for row in rows)]
    if len(axes) > 2:  # or the table would be too wide for a small screen
        columns = tuple(
            replace(column, detail=column.detail or column.key in ("environment", "verdict")) for column in columns
        )
    kept = [place for place, column in enumerate(columns) if column not in MEASURED or place in filled]
    return Table(
        f"{experiment.slug}-speed",
        "Step time and speed-up: work over time, not the typical step. Brackets hold 95 % intervals; † marks those from "
        "the steps of a single run, which do not know how runs differ, so nothing is judged by them.",
        tuple(columns[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in rows),
    )


def _numbers(arm: Arm, found: Measures, group: Group) -> tuple[Entry, ...]:
    floor = None if found.floor is None else found.floor.seconds
    step = None if found.step is None else found.step.value
    over_floor = None if floor is None or step is None or floor <= 0 else step / floor
    dropped = 1 - found.useful if found.step is not None else None
    rate = found.samples_per_second
    return (
        _runs(arm),
        formats.number(_scaled(step, 1000), formats.around(found.step, 1000), note="; ".join(found.warnings)),
        formats.number(None if rate is None else rate.value, formats.around(rate)),
        ratio_entry(found.over_reference, arm is group.reference),
        verdict(found.over_reference),
        ratio_entry(found.over_control, arm is group.control),
        _share(found.of_ceiling, arm is group.ceiling),
        formats.number(_scaled(floor, 1000), formats.milliseconds(floor)),
        formats.number(over_floor, None if over_floor is None else formats.ratio(over_floor)),
        formats.number(_scaled(found.exposed, 1000), formats.milliseconds(found.exposed)),
        formats.number(_scaled(found.wait, 1000), formats.milliseconds(found.wait)),
        formats.number(dropped or None, formats.percent(dropped, 1)),
        outcome(arm),
        Entry(arm.runs[0].record.command, arm.runs[0].record.command, code=True),
    )


def _runs(arm: Arm) -> Entry:
    finished, asked = len(arm.finished), len(arm.runs)
    return Entry(str(asked) if finished == asked else f"{finished} of {asked}", finished)


def ratio_entry(comparison: Comparison | None, itself: bool) -> Entry:
    if itself:
        return Entry("1", 1.0, "quiet")
    if comparison is None:
        return formats.number(None)
    return formats.number(comparison.ratio.value, formats.around(comparison.ratio, places="ratio"))


def _share(comparison: Comparison | None, itself: bool) -> Entry:
    if itself:
        return Entry("100%", 1.0, "quiet")
    if comparison is None:
        return formats.number(None)
    share = comparison.ratio
    text = formats.percent(share.value)
    if share.known and share.low > 0:
        text += f" [{share.low:.0%}, {share.high:.0%}]{'†' * share.within_run}"
    return formats.number(share.value, text)


def verdict(comparison: Comparison | None) -> Entry:
    if comparison is None:
        return Entry(formats.DASH, None, "quiet")
    tones = {Verdict.FASTER: "good", Verdict.SLOWER: "bad"}
    return Entry(comparison.said, comparison.said, tones.get(comparison.verdict, "quiet"))


def outcome(arm: Arm) -> Entry:
    counts: dict[str, int] = {}
    for run in arm.runs:
        counts[run.ended] = counts.get(run.ended, 0) + 1
    if set(counts) == {"finished"}:
        return Entry("finished", "finished", "quiet")
    text = ", ".join(
        ended if len(counts) == 1 and count == 1 else f"{count} {ended}" for ended, count in counts.items()
    )
    return Entry(text, text, "hole")


def _scaled(value_: float | None, factor: float) -> float | None:
    return None if value_ is None else value_ * factor
