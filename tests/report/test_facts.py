"""What a report knows of an algorithm, its record has said: one that nobody has heard of gets its floor and its colour."""

from __future__ import annotations

import pytest

from suite.experiment.choices import make_algorithm
from suite.harness.facts import facts_of
from suite.record.schema import Facts, Record
from suite.report import facts
from suite.report.arms import Group, groups
from suite.report.charts import style
from suite.report.floors import floor
from tests.report import scripted

SHIPPED = ("quick", "delay", "floor-quorum", "floor-period", "stragglers", "adasum")


@pytest.mark.parametrize("name", SHIPPED)
def test_records_of_before_are_read_as_records_of_now(name: str) -> None:
    for record in scripted.records(name, repetitions=1):
        algorithm, workers = record.specification.algorithm, record.specification.workers
        now, then = facts_of(make_algorithm(algorithm.name, algorithm.options), workers), facts.of(record)
        assert record.facts is None, "as all were, and those in the golden report are"
        assert facts.of(record.model_copy(update={"facts": now})) == now
        assert then is not None
        assert now.ahead == then.ahead
        assert (now.role, now.place, now.silent, now.hides, now.drops_late) == (
            then.role,
            then.place,
            then.silent,
            then.hides,
            then.drops_late or (algorithm.name == "backup_workers"),
        )
        if not now.silent:
            assert (now.waits_for < workers) == (then.waits_for < workers)
            assert now.every == then.every


def heard_of(records: tuple[Record, ...], said: Facts | None) -> Group:
    """The same records, where one algorithm has another name and says this of itself."""
    changed = []
    for record in records:
        if record.specification.algorithm.name == "layerwise":
            algorithm = record.specification.algorithm.model_copy(update={"name": "made_up", "options": {}})
            specification = record.specification.model_copy(update={"algorithm": algorithm})
            labels = record.labels.model_copy(update={"algorithm": "made_up"})
            record = record.model_copy(update={"specification": specification, "labels": labels, "facts": said})
        changed.append(record)
    return groups(changed, {})[0]


def test_an_algorithm_that_nobody_has_heard_of_has_its_floor() -> None:
    made = scripted.records(
        "quick", *(f"algorithm={name}" for name in ("synchronous", "layerwise", "no_communication"))
    )
    said = Facts(role="algorithm", place=99, hides=True, waits_for=2)
    group = heard_of(made, said)
    assert [arm.name for arm in group.arms][-1] == "made_up"
    arm = group.arms[-1]
    bound = floor(arm, group)
    assert bound is not None
    assert bound.hiding == 1
    blocked = heard_of(made, said.model_copy(update={"hides": False}))
    standing = floor(blocked.arms[-1], blocked)
    assert standing is not None
    assert standing.hiding == 0
    silent = heard_of(made, None)
    assert floor(silent.arms[-1], silent) is None, "of one that says nothing nothing is known"


def test_an_algorithm_that_nobody_has_heard_of_has_a_colour_of_its_own() -> None:
    colours = {name: style.of_name(name) for name in ("made_up", "another", "a_third", "layerwise")}
    assert colours["layerwise"] == style.ALGORITHMS["layerwise"]
    assert all(colours[name] in style.MORE for name in ("made_up", "another", "a_third"))
    assert not set(style.MORE) & set(style.ALGORITHMS.values())
    assert style.of_name("made_up") == style.of_name("made_up")


def test_facts_follow_from_the_algorithm_and_its_options() -> None:
    def of(name: str, **options: object) -> Facts:
        return facts_of(make_algorithm(name, options), 4)

    assert of("backup_workers", spares=1).waits_for == 3
    assert of("backup_workers", spares=1).drops_late
    assert of("local_sgd", period=7, warmup=10).every == 7
    assert (of("synchronous").role, of("synchronous", overlap=True).role) == ("reference", "algorithm")
    assert not of("asynchronous", ahead=False).hides
    assert of("elastic_averaging", asynchronous=True).waits_for == 1
    assert of("bare").silent
    assert of("torch_ddp").role == "peer"
