"""Commands that do their work."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

import algorithms
from algorithms.mechanisms.suggest import nearest, unknown
from suite import data, models
from suite.cli import catalogue
from suite.cli.app import run
from suite.cli.options import settings, value
from suite.cli.specify import WARMUP
from suite.models.profile import load
from suite.record.outcome import Reason
from tests.report import scripted

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3", 3),
        ("-1", -1),
        ("0.5", 0.5),
        ("1e-3", 1e-3),
        ("true", True),
        ("False", False),
        ("none", None),
        ("forward", "forward"),
    ],
)
def test_values_mean_what_they_look_like(text: str, meant: object) -> None:
    assert value(text) == meant
    assert type(value(text)) is type(meant)


def test_settings_are_split_at_the_first_equals_sign() -> None:
    assert settings(["a=1", "b = x=y"], "--set") == {"a": 1, "b": "x=y"}


def test_the_nearest_name_is_found_whatever_the_case() -> None:
    assert nearest("Synchronus", ["synchronous", "asynchronous"]) == "synchronous"
    assert nearest("zzz", ["synchronous"]) is None
    assert unknown("x", "zzz", ["a", "b"]) == "unknown x 'zzz'; known: a, b"


def test_list_shows_everything_there_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert run(["list"]) == 0
    shown = capsys.readouterr().out
    for name in (*algorithms.CATALOGUE, *models.NAMES, *data.NAMES):
        assert re.search(rf"^{re.escape(name)}\b", shown, re.MULTILINE), name
    assert "steps=1" in shown
    assert "61,100,840" in shown


def test_the_command_for_another_launcher_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "machines").write_text("node1 slots=2\nnode2 slots=2\n")
    hosts, argv = ["--hosts", str(tmp_path / "machines")], ["--", "python", "-m", "suite", "train", "--steps", "3"]
    assert run(["command", "mpirun", *hosts, "--ranks", "3", *argv]) == 0
    assert "mpirun -np 3 -H node1:2,node2:1" in capsys.readouterr().out
    assert run(["command", "slurm", *hosts, *argv]) == 0
    assert "--ntasks=4" in capsys.readouterr().out
    assert run(["command", "horovodrun", *hosts, "--interface", "ib0", "--ssh-port", "2222", *argv]) == 0
    shown = capsys.readouterr().out
    assert "-H node1:2,node2:2 --network-interfaces ib0 --ssh-port 2222 python -m suite train --steps 3" in shown
    assert run(["command", "kubernetes", "--image", "registry/suite:1", "--slots", "2", *argv]) == 0
    assert json.loads(capsys.readouterr().out)["spec"]["slotsPerWorker"] == 2
    assert run(["command", "kubernetes", *argv]) == 2
    assert "kubernetes needs --image" in capsys.readouterr().err
    assert run(["command", "srun", *hosts, *argv]) == 2
    assert run(["command", "mpirun", *hosts, "--ranks", "9", *argv]) == 2
    assert "ranks is 9, must be between 1 and 4" in capsys.readouterr().err


def test_every_data_set_is_described() -> None:
    assert set(catalogue.DATA) == set(data.NAMES)


def test_help_names_the_default_of_steps_before_those_that_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--help"]) == 0
    assert f"Steps before them; default: {WARMUP}," in " ".join(capsys.readouterr().out.replace("│", " ").split())


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.timeout(400)
def test_train_on_two_ranks(framework: str) -> None:
    command = [str(Path(sys.executable).with_name("horovodrun")), "--gloo", "-np", "2", "-H", "localhost:2"]
    command += [sys.executable, "-m", "suite", "train", "--framework", framework, "--model", "cifarnet"]
    command += ["--algorithm", "synchronous", "--steps", "6", "--batch-size", "4", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=390, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.index("{") :])
    counted = [step for step in found["steps"] if not step["warmup"]]
    assert len(counted) == 6
    assert all(step["seconds"] > 0 and math.isfinite(step["loss"]) for step in counted)
    assert found["telemetry"]["rounds"] == 6 + WARMUP


def test_the_reason_of_a_failed_run_is_one_line_however_narrow_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    message = "rank 1 was killed by signal 9 (SIGKILL) in step 17, after [0] had said that it was well and on its way"
    world = scripted.failing(Reason.KILLED, "synchronous", message=message)
    records = scripted.records("quick", "framework=torch", "model=AlexNet", "algorithm=s*", world=world)
    assert run(["records", "ls", "--records", str(scripted.write(tmp_path, records))]) == 0
    shown = capsys.readouterr().out
    assert re.search(rf"^\w{{8}}-r0-a0 killed: {re.escape(message)}$", shown, re.MULTILINE), shown
    assert "…" not in shown


def test_profile_writes_a_file_that_can_be_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tiny.json"
    assert run(["profile", "tiny-cnn", "--batch-size", "2", "--repeats", "2", "--out", str(path)]) == 0
    assert "tiny-cnn on " in capsys.readouterr().out
    assert load(path).parameter_count == models.describe("tiny-cnn").parameter_count


WRONG = """
question = "What does a file with two mistakes say?"
[run]
batch_sise = 4
[axes]
framework = ["torch"]
model = ["cifarnet"]
algorithm = ["synchronus"]
"""


def test_all_mistakes_of_an_experiment_are_said_with_their_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong.toml").write_text(WRONG)
    assert run(["bench", str(tmp_path / "wrong.toml")]) == 2
    printed = capsys.readouterr().err
    assert "wrong.toml:4: unknown key 'batch_sise' (did you mean 'batch_size'?)" in printed
    assert "wrong.toml:8: unknown algorithm 'synchronus' (did you mean 'synchronous'?)" in printed


def test_a_dry_run_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "quick", "--dry-run", "--records", str(tmp_path / "records")]) == 0
    assert "runs to do" in capsys.readouterr().out
    assert not (tmp_path / "records").exists()


ONE_RUN = """
question = "Does one run leave one record?"
[run]
batch_size = 2
steps = 3
warmup = 1
data = "digits"
[axes]
framework = ["torch"]
model = ["tiny-cnn"]
algorithm = ["synchronous"]
workers = [2]
"""


def test_a_run_leaves_a_record_that_can_be_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.toml").write_text(ONE_RUN)
    records = ["--records", str(tmp_path / "records")]
    assert run(["bench", str(tmp_path / "one.toml"), *records]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 run recorded" in said
    assert "farandole report --records" in said
    assert run(["records", "ls", *records]) == 0
    assert re.search(r"one +[0-9a-f]{8}-r0-a0 +torch +tiny-cnn +synchronous +2 .*finished", capsys.readouterr().out)
    out = tmp_path / "steps.csv"
    assert run(["records", "export", "--table", "steps", "--out", str(out), *records]) == 0
    assert len(out.read_text().splitlines()) == 1 + 2 * (3 + 1)  # a head; two ranks, warm-up included
    assert run(["report", *records, "--out", str(tmp_path / "report")]) == 0
    assert str(tmp_path / "report" / "report.html") in capsys.readouterr().out
    assert run(["bench", str(tmp_path / "one.toml"), *records, "--resume"]) == 0
    assert "0 runs recorded" in capsys.readouterr().out
