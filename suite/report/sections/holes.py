"""What is missing or doubtful: failed and diverged runs, files that cannot be read, missing partners, warnings."""

from __future__ import annotations

from collections import Counter

from suite.record.axes import AXES, SHOWN, Labels, Use, shown
from suite.record.outcome import Diverged, Failed
from suite.record.schema import Record
from suite.report.content import Block, Column, Entry, Level, Notice, Prose, Section, Table
from suite.report.sections.wording import ended_early, plural, some
from suite.report.study import Study

FAILED_COLUMNS = (
    Column("experiment", "experiment"),
    Column("run", "run"),
    Column("reason", "what happened"),
    Column("place", "where", detail=True),
    Column("message", "message", detail=True),
    Column("stderr", "end of its output", detail=True),
    Column("command", "repeat with", detail=True),
)


def section(study: Study) -> Section:
    blocks = [*_unreadable(study), *_missing(study), *_partners(study), *_warnings(study)]
    failed = [record for record in study.evidence.records if not record.finished]
    if failed:
        blocks = [Notice(Level.HOLE, f"{ended_early(study.evidence.records)}."), _table(failed), *blocks]
    if study.evidence.superseded:
        again = plural(study.evidence.superseded, "earlier attempt")
        blocks.append(
            Notice(
                Level.NOTE,
                f"{again} at runs that were tried again are left out; the calmest counts, and of those the last.",
            )
        )
    if troubled := study.evidence.disturbed:
        names = some([f"{identity[:12]} ({'; '.join(texts)})" for (_, identity, _), texts in sorted(troubled.items())])
        text = f"{plural(len(troubled), 'run')} disturbed, left out of averages where there are others: {names}."
        blocks.append(Notice(Level.WARNING, text))
    if not blocks:
        blocks = [Prose("None: every run that was asked for finished, every file could be read, and no run warned.")]
    return Section("holes", "Holes and warnings", tuple(blocks))


def _table(failed: list[Record]) -> Table:
    return Table("holes", "Runs without a result.", FAILED_COLUMNS, tuple(_row(record) for record in failed))


def _row(record: Record) -> tuple[Entry, ...]:
    labels, outcome = record.labels, record.outcome
    name = ", ".join((*_named(labels), f"repetition {record.repetition}"))
    place, stderr = "", ""
    if isinstance(outcome, Failed):
        reason, message, stderr = outcome.reason.value, outcome.message, outcome.stderr_end
        rank = None if outcome.rank is None else f"rank {outcome.rank}"
        step = None if outcome.step is None else f"step {outcome.step}"
        place = ", ".join(one for one in (rank, step) if one)
    elif isinstance(outcome, Diverged):
        reason, message, place = "diverged", outcome.message, f"step {outcome.step}"
    else:
        raise TypeError(f"a finished run is no hole: {record.identity}")
    return (
        Entry(record.experiment, record.experiment),
        Entry(name, name),
        Entry(reason, reason, "hole"),
        Entry(place, place),
        Entry(message, message),
        Entry("\n".join(stderr.splitlines()[-6:]), stderr, code=True),
        Entry(record.command, record.command, code=True),
    )


def _named(labels: Labels) -> list[str]:
    """Along each axis, but what is tuned and what there is none of."""
    found = {axis: shown(labels, axis) for axis in SHOWN if AXES[axis].use is not Use.TUNED}
    return [
        label if isinstance(label, str) else AXES[axis].said(label) for axis, label in found.items() if label != "none"
    ]


def _unreadable(study: Study) -> list[Block]:
    holes = study.evidence.holes
    newer = [hole for hole in holes if hole.newer]
    broken = [hole for hole in holes if not hole.newer]
    blocks: list[Block] = []
    if newer:
        names = some([hole.file for hole in newer])
        text = f"{plural(len(newer), 'record')} of a newer version, which this one cannot read: {names}."
        blocks.append(Notice(Level.HOLE, text))
    if broken:
        names = some([f"{hole.file} ({hole.why})" for hole in broken])
        blocks.append(Notice(Level.HOLE, f"{plural(len(broken), 'file')} that cannot be read: {names}."))
    return blocks


def _missing(study: Study) -> list[Block]:
    """Arms of an experiment that another setting of it has and this one does not, or with fewer runs than others."""
    blocks: list[Block] = []
    for experiment in study.experiments:
        asked = Counter(len(arm.runs) for arm in experiment.arms)
        usual = max(asked)
        few = [arm for arm in experiment.arms if len(arm.runs) < usual]
        if few and len(asked) > 1 and asked[usual] * 2 > sum(asked.values()):
            names = some([f"{arm.title} ({arm.setting.workers} workers, {arm.setting.network})" for arm in few])
            text = f"{experiment.name} ({experiment.kind}): fewer than {usual} runs of {names}."
            blocks.append(Notice(Level.HOLE, text + " The sweep may have been cut short."))
    return blocks


def _partners(study: Study) -> list[Block]:
    """Settings in which a speed-up has nothing to stand beside."""
    blocks: list[Block] = []
    for experiment in study.experiments:
        lacking: dict[str, int] = {}
        for group in experiment.groups:
            for name, arm in (
                ("plain synchronous training", group.reference),
                ("stock Horovod", group.control),
                ("no communication", group.ceiling),
            ):
                if (arm is None or not arm.timed) and group.setting.workers > 1:
                    lacking[name] = lacking.get(name, 0) + 1
        for name, count in lacking.items():
            settings = "no setting" if count == len(experiment.groups) else f"not every setting ({count} lack it)"
            text = f"{experiment.name} ({experiment.kind}): {settings} has a finished run of {name} to compare with."
            blocks.append(Notice(Level.NOTE, text))
    return blocks


def _warnings(study: Study) -> list[Block]:
    counts: Counter[str] = Counter()
    for record in study.evidence.records:
        said = {*record.warnings, *(record.cluster.warnings if record.cluster is not None else ())}
        counts.update(f"{record.experiment}: {one}" for one in said)
    for experiment in study.experiments:
        for arm in experiment.arms:
            counts.update(f"{experiment.name}: {_kind_of(one)}" for one in set(study.of(arm).warnings))
    return [Notice(Level.WARNING, f"{text} ({plural(count, 'time')})") for text, count in sorted(counts.items())]


def _kind_of(warning: str) -> str:
    """Without the numbers, so that alike warnings are counted together; the table of the experiment has them."""
    if warning.startswith("noisy"):
        return "steps of an algorithm scatter by more than 10 %, so small differences cannot be told"
    if warning.startswith("not steady"):
        return "steps of an algorithm drift by more than 10 % over the run"
    return "an algorithm has fewer than 5 steady steps: too few to judge" if warning.startswith("only") else warning
