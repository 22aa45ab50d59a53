"""A second set-up has nothing to do, and sees it at once; anything that changed is noticed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from suite.setup import stamp
from suite.setup.preflight import Wish

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The inputs of set-up, and an environment that looks finished."""
    shutil.copytree(
        PROJECT / "suite" / "setup", tmp_path / "suite" / "setup", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    (tmp_path / "suite" / "__init__.py").touch()
    packages = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages" / "horovod"
    for name in ("torch/mpi_lib_v2.so", "tensorflow/mpi_lib.so"):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).touch()
    stamp.write(tmp_path / ".venv", tmp_path, Wish())
    return tmp_path


def test_nothing_to_do(project: Path) -> None:
    assert stamp.is_current(project / ".venv", project, Wish())


@pytest.mark.parametrize("file", ["pyproject.toml", "suite/setup/lock.txt", "suite/setup/recipe.py"])
def test_a_changed_input_is_noticed(project: Path, file: str) -> None:
    with (project / file).open("a") as opened:
        opened.write("\n# changed\n")
    assert not stamp.is_current(project / ".venv", project, Wish())


@pytest.mark.parametrize("wish", [Wish(gpu=True), Wish(mpi="on")])
def test_another_wish_is_noticed(project: Path, wish: Wish) -> None:
    assert not stamp.is_current(project / ".venv", project, wish)


def test_a_lost_library_or_stamp_is_noticed(project: Path) -> None:
    next((project / ".venv").rglob("mpi_lib.so")).unlink()
    assert not stamp.is_current(project / ".venv", project, Wish())


def test_an_unfinished_setup_is_noticed(project: Path) -> None:
    stamp.forget(project / ".venv")
    assert not stamp.is_current(project / ".venv", project, Wish())


def test_a_moved_checkout_is_noticed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    moved = tmp_path_factory.mktemp("moved") / "checkout"
    shutil.move(project, moved)
    assert not stamp.is_current(moved / ".venv", moved, Wish())


def test_a_second_setup_does_nothing(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(project / "suite" / "setup")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_machine_that_cannot_is_told_before_anything_happens(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(project / ".venv")
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = subprocess.run(
        [sys.executable, str(project / "suite" / "setup")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "There is no C++ compiler" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / ".venv").exists()
