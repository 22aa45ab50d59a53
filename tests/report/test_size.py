"""What a large report costs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from suite.report import render
from tests.report import scripted


@pytest.mark.timeout(300)  # of a busy machine; what counts is the processor's time below
def test_five_hundred_records(tmp_path: Path) -> None:
    made = [
        *scripted.records("scaling"),
        *scripted.records("network"),
        *scripted.records("convergence", "learning_rate=0.05"),
        *scripted.records("stragglers", repetitions=1),
    ]
    assert len(made) >= 490
    folder = scripted.write(tmp_path / "records", made)
    began = time.process_time()
    rendered = render(folder, tmp_path / "out")
    assert time.process_time() - began < 20
    assert rendered.records == len(made)
    assert rendered.page.stat().st_size < 5e6
