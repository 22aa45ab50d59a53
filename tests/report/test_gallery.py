"""Drawing on several processes: the same drawings, told one by one, and nobody left behind."""

from __future__ import annotations

import multiprocessing

import pytest

from suite.report.charts.specification import Line
from suite.report.content import Figure
from suite.report.gallery import drawings
from tests.report import worlds


@pytest.fixture(scope="module")
def figures() -> tuple[Figure, ...]:
    return worlds.reported(*worlds.quick()).figures


def test_processes_draw_the_same(figures: tuple[Figure, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.report.gallery.FEWEST_FOR_A_PROCESS", 1)
    told: list[tuple[int, int]] = []
    assert drawings(figures, 2, lambda done, of: told.append((done, of))) == drawings(figures)
    assert told == [(number, len(figures)) for number in range(1, len(figures) + 1)]
    assert not multiprocessing.active_children()


def test_what_cannot_be_drawn_is_told(figures: tuple[Figure, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.report.gallery.FEWEST_FOR_A_PROCESS", 1)
    broken = Figure("broken", "", "", Line("no chart", (), ()))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no such chart: Line"):
        drawings((broken, *figures), 2)
    assert not multiprocessing.active_children()


def test_few_figures_are_drawn_at_once_where_one_is(
    figures: tuple[Figure, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suite.report.gallery.ProcessPoolExecutor", None)
    assert list(drawings(figures[:3], 8)) == [figure.name for figure in figures[:3]]
