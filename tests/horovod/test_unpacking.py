"""`bash unpack` on a machine that only pretends: what it does in which order, and what it refuses in one line."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from suite.horovod import found, manifest, packing, unpacking
from suite.horovod.found import Found

SCRIPT = Path(packing.__file__).parent / "unpack"
TAG = f"cp{sys.version_info[0]}{sys.version_info[1]}"
CPU = Found(pytorch="2.11.0", cuda="", tensorflow="", has_pip=True, prefix="/env", activated="")


class World:
    """An unpacked archive, and what would be run."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.archive = folder / "archive"
        self.ran: list[Sequence[str]] = []
        self.environments: list[Mapping[str, str]] = []
        self.here, self.code = CPU, 0
        files = {
            f"wheels/pydantic_core-2-{TAG}-{TAG}-linux_x86_64.whl": b"a wheel",
            "project/a.py": b"",
            "unpack": b"#!",
        }
        for name, content in files.items():
            path = self.archive / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (self.archive / manifest.NAME).write_text(manifest.written(files.items()))
        monkeypatch.setattr(found, "look", lambda: self.here)
        monkeypatch.setattr(unpacking, "teed", lambda log: self.run)
        monkeypatch.setattr(unpacking, "usable", lambda python: True)
        monkeypatch.setattr(unpacking.facts, "find_nvcc", lambda: "/cuda/bin/nvcc")

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        self.ran.append(command)
        self.environments.append(environment)
        return self.code

    def unpack(self, *arguments: str) -> int:
        return unpacking.main([str(self.archive), *arguments])

    @property
    def builds(self) -> list[str]:
        """What each environment asks for."""
        builds = [command for command in self.ran if "suite.horovod" in command]
        return [" ".join(command[command.index("off") + 1 :]) for command in builds]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_gloo_always_and_nccl_where_it_is_found(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.unpack() == 0
    assert world.builds == ["--nccl off"]
    assert "with Gloo alone: PyTorch is no build for CUDA" in capsys.readouterr().out
    world.here = replace(CPU, cuda="13.0", nccl=(Path("/nccl"), Path("/nccl/libnccl.so.2")))
    world.ran.clear()
    assert world.unpack() == 0
    assert world.builds == ["--nccl off", "--nccl on"]
    closing = capsys.readouterr().out.splitlines()[-1]
    assert closing.endswith(f"gpu-check --nccl {world.archive}/env-nccl/bin/python")


def test_without_nvcc_or_nccl_what_works_is_built_and_what_was_asked_for_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.here = replace(CPU, cuda="13.0")
    assert world.unpack() == 0
    assert "NCCL is not beside PyTorch" in capsys.readouterr().out
    monkeypatch.setattr(unpacking.facts, "find_nvcc", lambda: None)
    world.here = replace(world.here, nccl=(Path("/nccl"), Path("/nccl/libnccl.so.2")))
    assert world.unpack("--nccl", "on") == 2
    said = capsys.readouterr().err
    assert said == "error: --nccl on: there is no nvcc. Without it Horovod with Gloo works: say --nccl off.\n"
    world.ran.clear()
    assert world.unpack() == 0
    assert world.builds == ["--cpu"]
    closing = capsys.readouterr().out.splitlines()
    assert closing[0].endswith("nothing on a GPU will travel: there is no nvcc.")
    assert closing[-1].endswith("env-cpu/bin/python -m suite gpu-check --cpu")


def test_pip_knows_nothing_but_the_archive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    world.unpack()
    for environment in world.environments:
        assert environment["PIP_NO_INDEX"] == "1"
        assert environment["PIP_FIND_LINKS"] == str(world.archive / "wheels")
        assert not {"PIP_EXTRA_INDEX_URL", "PYTHONPATH"} & set(environment)


@pytest.mark.parametrize("damage", ["cut", "gone", "no sums"])
def test_a_torn_archive_is_refused_before_anything_is_done(
    damage: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = next((world.archive / "wheels").iterdir())
    if damage == "cut":
        wheel.write_bytes(b"a wh")
    elif damage == "gone":
        wheel.unlink()
    else:
        (world.archive / manifest.NAME).unlink()
    assert world.unpack() == 2
    said = capsys.readouterr().err
    assert said.startswith("error: the archive is torn: ")
    assert said.count("\n") == 1
    assert not world.ran


def test_no_pytorch_another_python_and_no_room_are_refused_in_one_line(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.here = replace(CPU, pytorch="")
    assert world.unpack() == 2
    assert "there is no PyTorch in" in capsys.readouterr().err
    world.here = CPU
    monkeypatch.setattr(unpacking, "DISK_NEEDED", 10**18)
    assert world.unpack("--into", str(world.archive / "somewhere" / "else")) == 2
    assert "Too little disk space" in capsys.readouterr().err
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    assert world.unpack() == 2
    assert "has no wheels for Python" in capsys.readouterr().err
    assert not world.ran


def test_a_second_unpack_at_the_same_place_is_refused(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Both would compile in the same folders."""
    with (world.archive / unpacking.LOCK).open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        assert world.unpack() == 2
    assert "another unpack is at work" in capsys.readouterr().err
    assert world.unpack() == 0


def test_what_fails_names_the_log_and_can_go_on(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.code = 1
    assert world.unpack() == 1
    assert "unpack.log says why. Run it again to go on." in capsys.readouterr().err


def test_what_is_said_is_on_the_screen_and_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = unpacking.teed(tmp_path / "log")
    assert run([sys.executable, "-c", "print('compiling'); raise SystemExit(3)"], os.environ) == 3
    assert "compiling" in capfd.readouterr().out
    assert (tmp_path / "log").read_text().splitlines()[-1] == "compiling"


def bash(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "unpack"
    script.write_bytes(SCRIPT.read_bytes())
    return subprocess.run(["bash", str(script), *arguments], capture_output=True, text=True, check=False)


def test_the_script_itself_refuses_in_one_line(tmp_path: Path) -> None:
    assert bash(tmp_path, "--python", "no-such-python").stderr == (
        "error: there is no no-such-python: say --python and the Python that has PyTorch\n"
    )
    old = tmp_path / "old"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.8.1 && exit\nexit 1\n')
    old.chmod(0o755)
    done = bash(tmp_path, f"--python={old}")
    assert (done.returncode, done.stderr.startswith("error: Python 3.8.1 is too old")) == (2, True)
    done = bash(tmp_path, "--python", sys.executable)
    assert done.returncode == 2
    assert "the archive is torn" in done.stderr
