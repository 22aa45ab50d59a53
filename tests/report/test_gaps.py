"""Records that lack whatever the schema lets them lack still make a report."""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suite.record.outcome import Diverged, Failed, Finished, Reason
from suite.record.rank import Rank, Steps
from suite.record.schema import Record
from suite.report.build import report
from suite.report.charts.drawing import draw
from suite.report.content import Report
from suite.report.writers import comma, latex, markdown, page
from tests.report import scripted, worlds


@functools.cache
def whole() -> tuple[Record, ...]:
    return (
        *worlds.quick(repetitions=2),
        *worlds.delay(),
        *scripted.records("floor-quorum", "framework=torch", repetitions=1),
        *scripted.records("scaling", "framework=torch", "model=AlexNet", repetitions=1),
    )


def bare(rank: Rank) -> Rank:
    """Nothing but times."""
    return Rank(
        rank=rank.rank,
        host=rank.host,
        process=1,
        steps=Steps(started=rank.steps.started, seconds=rank.steps.seconds, loss=rank.steps.loss),
    )


def unclocked(rank: Rank) -> Rank:
    nowhere = (float("nan"),) * len(rank.steps.seconds)
    return rank.model_copy(update={"steps": rank.steps.model_copy(update={"started": nowhere})})


def short(rank: Rank) -> Rank:
    cut = {name: None if (column := getattr(rank.steps, name)) is None else column[:1] for name in Steps.model_fields}
    return rank.model_copy(update={"steps": Steps(**cut)})


def without_steps(rank: Rank) -> Rank:
    return rank.model_copy(update={"steps": Steps(), "warmup": Steps()})


def each(change: Any) -> Any:
    return lambda record: record.model_copy(update={"ranks": tuple(change(rank) for rank in record.ranks)})


CHANGES = {
    "as it is": lambda record: record,
    "no telemetry": each(lambda rank: rank.model_copy(update={"telemetry": None})),
    "bare": each(bare),
    "unclocked": each(unclocked),
    "one step": each(short),
    "no steps": each(without_steps),
    "no hosts": lambda record: record.model_copy(update={"hosts": ()}),
    "no cluster": lambda record: record.model_copy(update={"cluster": None}),
    "no evaluations": lambda record: record.model_copy(update={"evaluations": (), "reached": ()}),
    "nothing reached": lambda record: record.model_copy(update={"reached": ()}),
    "no question": lambda record: record.model_copy(update={"question": ""}),
    "diverged": lambda record: record.model_copy(update={"outcome": Diverged(step=1)}),
    "failed": lambda record: record.model_copy(
        update={"outcome": Failed(reason=Reason.MEMORY, message=""), "ranks": (), "evaluations": (), "reached": ()}
    ),
    "failed late": lambda record: record.model_copy(update={"outcome": Failed(reason=Reason.HUNG, message="x" * 500)}),
    "another round": lambda record: record.model_copy(
        update={"sweep": record.sweep.model_copy(update={"identifier": "another"})}
    ),
    "gone": lambda record: None,
}


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_mixture_of_gaps(data: st.DataObject) -> None:
    names = st.sampled_from(sorted(CHANGES))
    chosen = [CHANGES[data.draw(names)](record) for record in whole()]
    written(report(worlds.evidence([record for record in chosen if record is not None])))


def test_every_gap_everywhere() -> None:
    for name, change in CHANGES.items():
        changed = [change(record) for record in whole()]
        kept = [record for record in changed if record is not None]
        made = report(worlds.evidence(kept))
        written(made)
        assert made.landing.sections[0].name == "answer", name
    assert isinstance(whole()[0].outcome, Finished)


def written(made: Report) -> None:
    """All writers; the drawings of a few figures stand for all."""
    for one in made.pages:
        markdown.write(one)
        page.write(one, {figure.name: "<svg></svg>" for figure in one.figures})
    for table in made.tables:
        comma.write(table)
        latex.write(table)
    for figure in made.figures[:2]:
        draw(figure.name, figure.chart, figure.alt)
