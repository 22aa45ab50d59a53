"""Each tool reads back with its own reader what was written for it; and what is said where its library is missing."""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.cli import app
from suite.export import tools
from suite.export.story import Story, tell
from suite.record.outcome import Failed, Reason
from suite.record.schema import Evaluation
from suite.record.store import Store
from tests.record.examples import record, specification

pytestmark = pytest.mark.timeout(300)  # importing one of them beside other work
POINT = Evaluation(step=3, samples=48, bytes_sent=10, seconds=0.3, wall_seconds=0.4, loss=1.0, top1=0.5)
RECORDS = (
    record(specification(seed=0), evaluations=(POINT,)),
    record(specification(seed=1), outcome=Failed(reason=Reason.HUNG, message="no end"), ranks=()),
)
STORIES = tuple(map(tell, RECORDS))


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        importlib.util.find_spec(tool) is None, reason=f"{tool} is no part of the lock: pip install 'farandole[{tool}]'"
    )


@pytest.mark.parametrize("tool", tools.TOOLS)
def test_a_missing_library_is_said_with_what_to_install(
    tool: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert app.run(["records", "export", "--to", tool, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said == f"error: --to {tool}: {tool} is not installed: pip install 'farandole[{tool}]'\n"
    assert not (tmp_path / "out").exists()


def test_an_unknown_tool_and_a_file_in_the_way_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(["records", "export", "--to", "mlfow", "--out", str(tmp_path)]) == 2
    assert "unknown tool 'mlfow' (did you mean 'mlflow'?)" in capsys.readouterr().err
    monkeypatch.setattr(tools, "missing", lambda tool: "")
    (tmp_path / "file").touch()
    assert app.run(["records", "export", "--to", "mlflow", "--out", str(tmp_path / "file")]) == 2
    assert "writes a folder, and that is a file" in capsys.readouterr().err


def test_the_command_hands_the_latest_attempts_to_the_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(tmp_path / "results").writing() as writer:
        writer.add(record(outcome=Failed(reason=Reason.HUNG, message="no end"), ranks=()))
        writer.add(record(attempt=1))
    handed: list[Story] = []
    monkeypatch.setattr(tools, "missing", lambda tool: "")
    monkeypatch.setitem(tools.TOOLS, "wandb", lambda stories, folder: handed.extend(stories))
    command = [
        "records",
        "export",
        "--to",
        "wandb",
        "--out",
        str(tmp_path / "out"),
        "--records",
        str(tmp_path / "results"),
    ]
    assert app.run(command) == 0
    assert [story.identity[-2:] for story in handed] == ["a1"]
    assert capsys.readouterr().out.endswith("1 runs for wandb\n")


@needs("tensorboard")
def test_tensorboard_reads_its_event_files(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tools.TOOLS["tensorboard"](STORIES, tmp_path)
    assert {path.name for path in (tmp_path / "quick").iterdir()} == {story.identity for story in STORIES}
    events = EventAccumulator(str(tmp_path / "quick" / STORIES[0].identity)).Reload()
    assert [(one.step, one.value) for one in events.Scalars("train/loss")] == [(1, 2.0), (2, 2.0), (3, 2.0)]
    assert [(one.step, one.value) for one in events.Scalars("evaluation/top1")] == [(3, 0.5)]
    assert events.Scalars("train/loss")[0].wall_time == pytest.approx(STORIES[0].created + 0.1)
    assert "_hparams_/session_start_info" in events.PluginTagToContent("hparams")


@needs("mlflow")
def test_mlflow_reads_its_file_store(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    tools.TOOLS["mlflow"](STORIES, tmp_path / "store")
    client = MlflowClient(tracking_uri=(tmp_path / "store").as_uri())
    experiment = client.get_experiment_by_name("quick")
    runs = {run.data.tags["identity"]: run for run in client.search_runs([experiment.experiment_id])}
    finished, failed = (runs[story.identity] for story in STORIES)
    history = client.get_metric_history(finished.info.run_id, "train/loss")
    assert sorted((one.step, one.value) for one in history) == [(1, 2.0), (2, 2.0), (3, 2.0)]
    assert finished.data.params["model.name"] == "alexnet"
    assert finished.data.metrics["evaluation/top1"] == 0.5
    assert (finished.info.status, failed.info.status, failed.data.tags["reason"]) == ("FINISHED", "FAILED", "hung")


@needs("wandb")
def test_wandb_reads_its_offline_folder(tmp_path: Path) -> None:
    tools.TOOLS["wandb"](STORIES, tmp_path)
    folders = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert {path.name.partition("-run-")[2].partition("-")[2] for path in folders} == {one.identity for one in STORIES}
    (log,) = next(path for path in folders if path.name.endswith(STORIES[0].identity)).glob("*.wandb")
    rows = list(history(log))
    assert [row["_step"] for row in rows] == ["0", "1", "2", "3"]
    assert (float(rows[3]["train/loss"]), float(rows[3]["evaluation/top1"])) == (2.0, 0.5)


def history(log: Path) -> Iterator[dict[str, str]]:
    """The rows that were logged, by W&B's own messages: its library writes this file and has no reader of it any more."""
    from wandb.proto.wandb_internal_pb2 import Record

    for content in messages(log.read_bytes()):
        found = Record()
        found.ParseFromString(content)
        if found.WhichOneof("record_type") == "history":
            yield {item.key or ".".join(item.nested_key): item.value_json for item in found.history.item}


def messages(file: bytes, block: int = 32_768) -> Iterator[bytes]:
    """LevelDB's log format behind a head of seven bytes: pieces (sum, length, kind) that cross no end of a block."""
    place, message = 7, b""
    while place + 7 <= len(file):
        left = block - place % block
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<HB", file, place + 4)
        message += file[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield message
            message = b""
