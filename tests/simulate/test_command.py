"""`farandole predict` and `farandole calibrate`: what they print, and what they refuse in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suite.cli.app import run

BASE = ["predict", "--model", "alexnet", "--compute", "0.6", "--workers", "16"]
TABLE = "elements,backward_us\n1000,100\n2000000,300\n"


def test_json_has_the_keys_that_others_build_on(capsys: pytest.CaptureFixture[str]) -> None:
    line = [*BASE, "--per-host", "1", "--gbit", "10", "--latency-us", "30", "--algorithm", "layerwise", "--json"]
    assert run(line) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["step_seconds"]) == {"mean", "low", "high", "typical"}
    assert found["step_seconds"]["mean"] >= 0.6
    assert found["samples_per_second"] == pytest.approx(16 * 32 / found["step_seconds"]["mean"])
    assert found["kind"] == "simulated"
    assert {"exposed_seconds", "bytes_per_step", "staleness", "fitted", "intervals"} <= set(found)


def test_all_algorithms_are_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*BASE, "--algorithm", "all"]) == 0
    out = capsys.readouterr().out
    for name in ("layerwise", "backup_workers", "diloco", "stock_horovod"):
        assert name in out
    assert run([*BASE, "--workers", "6", "--algorithm", "all", "--json"]) == 0
    names = [one["algorithm"] for one in json.loads(capsys.readouterr().out)["predictions"]]
    assert "adasum" not in names  # needs a power of two
    assert "synchronous" in names


def test_a_table_of_tensors_is_a_net(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.csv"
    path.write_text(TABLE)
    assert run(["predict", "--tensors", str(path), "--algorithm", "synchronous", "--workers", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["step_seconds"]["mean"] == pytest.approx(600e-6 + 60e-6 + 2001000 * 4 / 1.25e9)
    assert found["bytes_per_step"] == pytest.approx(2001000 * 4)


def test_times_that_may_count_twice_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.csv"
    path.write_text("elements,backward_us\n9,5\n1,5\n9,7\n1,7\n")
    assert run(["predict", "--tensors", str(path), "--algorithm", "synchronous", "--workers", "2"]) == 0
    assert "column 'layer'" in capsys.readouterr().out
    path.write_text("layer,elements,backward_us\na,9,5\na,1,5\nb,9,7\nb,1,7\n")
    assert run(["predict", "--tensors", str(path), "--algorithm", "synchronous", "--workers", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["step_seconds"]["mean"] == pytest.approx(18e-6)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--gbit", "0"], "gbit=0.0: must be a rate above 0"),
        (["--per-host", "17"], "per_host=17: must be at most workers=16"),
        (["--wire", "fp61"], "did you mean 'fp16'?"),
        (["--straggler", "lognorm:sigma=1"], "did you mean 'lognormal'?"),
        (["--straggler", "constant:factor=2,rank=16"], "must be below 16"),
        (["--set", "ordr=all"], "did you mean 'order'?"),
        (["--compute", "-1"], "step_seconds=-1.0"),
        (["--calibration", "nowhere.json"], "nowhere.json cannot be read"),
        (["--plan", "merge"], "did you mean 'merged'?"),
        (["--algorithm", "layrwise"], "did you mean 'layerwise'?"),
        (["--seal"], "the two go together"),
    ],
)
def test_bad_input_is_one_line(more: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*BASE, "--algorithm", "layerwise", *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("elements,backwards_us\n1,2\n", "column 'backward_us' is missing (is it 'backwards_us'?)"),
        ("elements,backward_us\nx,2\n", "net.csv:2: elements is x, must be a number"),
        ("elements,backward_us\n1,-2\n", "net.csv:2: backward_us is -2"),
        ("", "no tensors"),
    ],
)
def test_a_bad_table_says_where(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.csv"
    path.write_text(text)
    assert run(["predict", "--tensors", str(path), "--algorithm", "synchronous"]) == 2
    assert said in capsys.readouterr().err


def test_calibrate_needs_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["calibrate", "--records", str(tmp_path / "none")]) == 2
    assert "there is no folder" in capsys.readouterr().err
