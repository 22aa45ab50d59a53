"""Two sets of records beside each other, and how often a gate made of that would cry wolf."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from suite.record.outcome import Reason
from suite.record.schema import Record
from suite.report import CompareError, compare
from suite.report.comparing.matching import Cell
from suite.report.comparing.verdicts import Change, holm, judge
from tests.report import scripted, worlds


def folders(tmp_path: Path, first: tuple[Record, ...], second: tuple[Record, ...]) -> tuple[Path, Path]:
    return scripted.write(tmp_path / "first", first), scripted.write(tmp_path / "second", second)


def changes(tmp_path: Path, first: tuple[Record, ...], second: tuple[Record, ...]) -> dict[str, tuple[Change, ...]]:
    found = compare(*folders(tmp_path, first, second))
    return {one.cell.place.contender: one.changes for one in found.outcomes}


def world(luck: int, noise: float = 0.02, **factors: float) -> scripted.World:
    return scripted.at_speed(scripted.World(noise=noise, luck=luck), **factors)


def test_what_became_slower_is_found_and_nothing_else(tmp_path: Path) -> None:
    found = changes(tmp_path, worlds.quick(world=world(1)), worlds.quick(world=world(2, layerwise=1.2, delayed=0.8)))
    assert found.pop("layerwise") == (Change.SLOWER,)
    assert found.pop("delayed(steps=1)") == (Change.FASTER,)
    assert set(found.values()) == {(Change.NONE,)}


def test_the_exit_code_is_for_what_is_worse(tmp_path: Path) -> None:
    same = compare(*folders(tmp_path / "a", worlds.quick(world=world(1)), worlds.quick(world=world(2))))
    assert same.exit_code == 0
    assert "No: nothing found worse in 7 cells" in same.text
    better = compare(*folders(tmp_path / "b", worlds.quick(world=world(1)), worlds.quick(world=world(2, delayed=0.5))))
    assert better.exit_code == 0
    slower = compare(*folders(tmp_path / "c", worlds.quick(world=world(1)), worlds.quick(world=world(2, delayed=1.5))))
    assert slower.exit_code == 1
    assert "at most 0.05 for all cells" in slower.text


def test_a_tolerated_slowdown_is_no_alarm(tmp_path: Path) -> None:
    pair = folders(tmp_path, worlds.quick(world=world(1)), worlds.quick(world=world(2, layerwise=1.1)))
    assert compare(*pair).exit_code == 1
    assert compare(*pair, tolerance=0.15).exit_code == 0


def test_false_alarms_are_as_rare_as_stated() -> None:
    """Three hundred comparisons of four cells between which nothing changed."""
    random = np.random.default_rng(7)
    record = worlds.quick(repetitions=1)[0]
    place = worlds.only_group(worlds.studied(record)).setting
    alarms = 0
    rounds = 300
    for _ in range(rounds):
        cells = []
        for _ in range(4):
            steps = np.exp(random.normal(-2, 0.05, (4, 2)))
            pairs = tuple((worlds.run(record, step=one), worlds.run(record, step=other)) for one, other in steps)
            cells.append(Cell(place, pairs))
        alarms += any(one.worse for one in judge(cells, false_alarm=0.2))
    # 0.2 of 300 is 60; three standard errors are 21. Holm may be below that, never above.
    assert alarms <= 81
    assert alarms >= 20  # a gate that never rings is no gate


def test_holm_by_hand() -> None:
    nan = float("nan")
    assert holm([0.01, 0.04, 0.03, nan], 0.05) == [True, False, False, False]
    assert holm([0.01, 0.02, 0.03], 0.05) == [True, True, True]
    assert holm([0.06], 0.05) == [False]
    assert holm([], 0.05) == []


def test_single_runs_never_ring(tmp_path: Path) -> None:
    first, second = worlds.quick(repetitions=1), worlds.quick(world=world(2, layerwise=3.0), repetitions=1)
    found = compare(*folders(tmp_path, first, second))
    assert found.exit_code == 0
    assert all(one.changes == (Change.UNKNOWN,) for one in found.outcomes)
    assert "Repeat runs to judge them" in found.text


def test_runs_that_no_longer_finish_are_worse(tmp_path: Path) -> None:
    found = changes(tmp_path, worlds.quick(), worlds.quick(world=scripted.failing(Reason.HUNG, "layerwise")))
    assert found["layerwise"] == (Change.BROKEN,)
    back = changes(tmp_path / "back", worlds.quick(world=scripted.failing(Reason.HUNG, "layerwise")), worlds.quick())
    assert back["layerwise"] == (Change.MENDED,)


def test_lost_accuracy_is_found(tmp_path: Path) -> None:
    first = worlds.delay()
    second = []
    for record in worlds.delay(scripted.World(luck=3)):
        last = record.evaluations[-1]
        worse = last.model_copy(update={"top1": last.top1 - 0.2})
        second.append(record.model_copy(update={"evaluations": (*record.evaluations[:-1], worse)}))
    found = compare(*folders(tmp_path, first, tuple(second)))
    assert found.exit_code == 1
    assert all(Change.LESS_ACCURATE in one.changes for one in found.outcomes)


def test_different_environments_are_refused_unless_told(tmp_path: Path) -> None:
    pair = folders(tmp_path, worlds.quick(), worlds.quick(world=scripted.World(cpu="Another processor")))
    with pytest.raises(CompareError, match="processor: A processor in the first, Another processor in the second"):
        compare(*pair)
    told = compare(*pair, across_environments=True)
    assert told.exit_code == 0
    assert "Different environments" in told.text


def test_two_commits_are_the_same_environment(tmp_path: Path) -> None:
    pair = folders(tmp_path, worlds.quick(), worlds.quick(world=scripted.World(commit="f" * 40)))
    assert compare(*pair).exit_code == 0


def test_what_stands_in_one_set_only_is_named(tmp_path: Path) -> None:
    first = worlds.quick("framework=torch", "model=AlexNet", "algorithm=layerwise", "algorithm=synchronous")
    second = worlds.quick("framework=torch", "model=AlexNet", "algorithm=synchronous", "algorithm=delayed*")
    text = compare(*folders(tmp_path, first, second)).text
    assert "1 cell only in the first set: quick layerwise" in text
    assert "1 cell only in the second set: quick delayed" in text


def test_labels_alike_but_specified_differently_are_not_compared(tmp_path: Path) -> None:
    longer = [
        one.model_copy(
            update={"specification": (changed := one.specification.model_copy(update={"steps": 99}))}
        ).model_copy(update={"identity": changed.identity})
        for one in worlds.quick()
        if one.labels.algorithm == "layerwise"
    ]
    others = [one for one in worlds.quick() if one.labels.algorithm != "layerwise"]
    text = compare(*folders(tmp_path, worlds.quick(), (*others, *longer))).text
    assert "specified differently: quick layerwise" in text


def test_bad_input(tmp_path: Path) -> None:
    first, second = folders(tmp_path, worlds.quick(repetitions=1), worlds.delay())
    with pytest.raises(CompareError, match="no run in common"):
        compare(first, second)
    with pytest.raises(CompareError, match="no records"):
        compare(first, tmp_path / "nowhere")
    with pytest.raises(CompareError, match="experiment in this folder 'quick'"):
        compare(first, second, experiment="quick")
    with pytest.raises(ValueError, match=r"false_alarm = 1\.5"):
        compare(first, first, false_alarm=1.5)
    with pytest.raises(ValueError, match="tolerance = -1"):
        compare(first, first, tolerance=-1)


def test_a_colleague_gets_a_page_with_the_answer_first(tmp_path: Path) -> None:
    found = compare(*folders(tmp_path, worlds.quick(world=world(1)), worlds.quick(world=world(2, delayed=1.5))))
    assert found.page.summary.startswith("Yes: worse in 1 of 7 cells. Worst: delayed, 1 step late, slower, 1.")
    assert found.html.startswith("<!DOCTYPE html>")
    assert "Is the second set of runs slower or less accurate than the first?" in found.html
    assert found.html.count("<svg") == 1
    short = next(one for one in found.page.tables if one.name == "short")
    assert len(short.rows) == 7
    assert "experiment" not in [column.key for column in short.columns if not column.detail]
