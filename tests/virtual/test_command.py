"""`farandole train --virtual` prints a record like any other, of kind simulated, and adds it to a folder that is named."""

import json
from pathlib import Path

import pytest

from suite.cli.app import run
from suite.record.schema import Record
from suite.record.store import Store

LINE = "train --virtual 6 --algorithm backup_workers --set spares=2 --model tiny-cnn --data digits --image 8 --steps 5"


def test_a_record_comes_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*LINE.split(), "--json", "--records", str(tmp_path)]) == 0
    printed = Record.model_validate_json(capsys.readouterr().out)
    assert printed.kind == "simulated"
    assert printed.cluster is not None and printed.cluster.kind == "simulated"
    assert len(printed.ranks) == 6
    assert sum(rank.telemetry.contributions_used for rank in printed.ranks if rank.telemetry) == 5 * 4
    (kept,) = Store(tmp_path).read().records
    assert kept.model_dump_json() == printed.model_dump_json()


def test_the_same_run_twice_has_the_same_samples(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for _ in range(2):
        assert run([*LINE.split(), "--straggler", "pareto:alpha=2", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["identity"] == found[1]["identity"]
    for one, other in zip(found[0]["ranks"], found[1]["ranks"], strict=True):
        assert (one["steps"], one["digest"], one["telemetry"]) == (other["steps"], other["digest"], other["telemetry"])


def test_a_run_that_diverges_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*LINE.split(), "--learning-rate", "1e20", "--steps", "30"]) == 1
    assert "diverged at step" in capsys.readouterr().out
