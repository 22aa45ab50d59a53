"""The archive for a machine without a network: what is in it, and what is said when it cannot be made."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from suite.horovod import command, manifest, packing
from suite.horovod.building import NotReadyError
from suite.horovod.packing import Wish
from suite.setup import recipe
from suite.setup.wheel import SetupError


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Nothing is fetched: one small wheel is there at once."""
    asked: list[Sequence[str]] = []

    def fetch(folder: Path, pythons: Sequence[str]) -> None:
        asked.append(pythons)
        (folder / "pydantic_core-2-cp312-cp312-linux_x86_64.whl").write_bytes(b"a wheel")

    monkeypatch.setattr(packing, "fetch", fetch)
    return asked


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as packed:
        packed.extractall(folder)
    return folder / packing.FOLDER


def test_the_archive_holds_the_project_without_its_records(
    fetched: list[Sequence[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "a.tar.gz"
    assert command.main(["pack", "--output", str(archive), "--python", "3.12"]) == 0
    assert fetched == [["3.12"]]
    folder = unpacked(archive, tmp_path)
    assert not manifest.damage(folder)
    assert (folder / "unpack").read_text().startswith("#!/usr/bin/env bash")
    for name in (
        "pyproject.toml",
        "README.md",
        "suite/setup/compiler.py",
        "algorithms/delayed.py",
        "tests/conftest.py",
    ):
        assert (folder / "project" / name).is_file(), name
    assert not (folder / "project" / "reports").exists()
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "On the other machine: tar xzf a.tar.gz && bash farandole-offline/unpack"


def test_the_same_files_make_the_same_bytes() -> None:
    files = [("unpack", b"#!"), ("wheels/a.whl", b"a")]
    assert packing.archive(files) == packing.archive(files)
    with tarfile.open(fileobj=io.BytesIO(packing.archive(files))) as packed:
        assert packed.getnames()[0].endswith(manifest.NAME), "what is cut off behind the sums is missed"


def test_what_is_too_large_is_not_written(
    fetched: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(packing, "LIMIT", 1000)
    with pytest.raises(SetupError, match="more than 0 MB"):
        packing.pack(Wish(tmp_path / "a.tar.gz", ("3.12",)))
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_packed_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["pack", "--output", str(tmp_path / "no" / "a.tar.gz")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    with pytest.raises(NotReadyError, match="is none that git knows"):
        list(packing.project_files(tmp_path))
    with pytest.raises(SystemExit):
        command.main(["pack", "--python", "2.7"])
    assert "2.7: must be one of 3.11, 3.12, 3.13" in capsys.readouterr().err


def test_what_pip_cannot_fetch_ends_with_its_own_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: x\nERROR: No matching distribution found for rich\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(SetupError, match="could not be fetched:\n    ERROR: No matching distribution found for rich"):
        packing.fetch(tmp_path, ["3.12"])


def test_every_wheel_has_a_pinned_version() -> None:
    pinned = recipe.PINS.read_text()
    for line in (*packing.NEEDED, *packing.BUILD_TOOLS):
        assert recipe.pinned(pinned, line.partition(">")[0])
