"""What a large report costs: 500 records to every file of it, the size of its page, how soon the page is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.report import render
from tests.report import browsing, scripted

SECONDS, BYTES, FIRST_PAINT_MS = 20, 5e6, 1000


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made up (no process ran): four shipped experiments' plans, schema-true."""
    made = [
        *scripted.records("scaling"),
        *scripted.records("network"),
        *scripted.records("convergence", "learning_rate=0.05"),
        *scripted.records("stragglers"),
    ][:500]
    assert len(made) == 500
    return scripted.write(tmp_path_factory.mktemp("report") / "records", made)


def test_500_records(benchmark, records, tmp_path):
    rendered = benchmark.pedantic(render, args=(records, tmp_path / "out"), rounds=1)
    assert rendered.records == 500
    assert rendered.page.stat().st_size < BYTES
    assert benchmark.stats["max"] < SECONDS


@pytest.mark.skipif(bool(browsing.MISSING), reason=browsing.MISSING)
def test_first_paint_from_disk(benchmark, records, tmp_path):
    """Of the page of 500 records, in a browser that has it for the first time; the best of three."""
    page = render(records, tmp_path / "out").page
    with browsing.chromium() as browser:

        def visit() -> float:
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            tab = context.new_page()
            tab.goto(page.as_uri())
            painted = browsing.first_paint(tab)
            context.close()
            return painted

        times = [visit() for _ in range(2)]
        times.append(benchmark.pedantic(visit, rounds=1))
    print(f"first paint after {', '.join(f'{one:.0f}' for one in times)} ms")
    assert min(times) < FIRST_PAINT_MS
