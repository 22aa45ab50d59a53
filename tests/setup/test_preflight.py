"""What set-up says about machines that cannot do it, before anything is downloaded or compiled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from suite.setup import facts, preflight
from suite.setup.facts import Machine
from suite.setup.preflight import GB, Wish

GOOD = Machine(
    system="Linux",
    architecture="x86_64",
    python=(3, 11),
    implementation="CPython",
    has_venv=True,
    has_headers=True,
    compiler="/usr/bin/g++",
    compiler_version="g++ 12.2.0",
    probe_error=None,
    make="/usr/bin/make",
    cmake=None,
    mpicxx=None,
    mpi_command="",
    nvcc=None,
    nvcc_version="",
    cores=2,
    free_memory=8 * GB,
    free_disk=20 * GB,
    free_temporary=20 * GB,
)


def said(machine: Machine, wish: Wish | None = None, *, fresh: bool = True) -> str:
    return "\n".join(map(str, preflight.problems(machine, wish or Wish(), fresh=fresh)))


def test_a_good_machine_has_no_problem() -> None:
    assert said(GOOD) == ""


@pytest.mark.parametrize(
    ("change", "what", "remedy"),
    [
        ({"compiler": None}, "no C++ compiler", "gcc 11"),
        ({"probe_error": "probe.cc:2:10: fatal error: concepts"}, "does not compile C++20: probe.cc:2:10", "CXX="),
        ({"has_headers": False}, "Python.h", "python3-dev"),
        ({"make": None}, "no make", "install"),
        ({"has_venv": False}, "ensurepip", "python3-venv"),
        ({"python": (3, 14)}, "CPython 3.14", "PYTHON=python3.11"),
        ({"python": (3, 10)}, "CPython 3.10", "PYTHON=python3.11"),
        ({"implementation": "PyPy"}, "PyPy 3.11", "PYTHON=python3.11"),
        ({"system": "Darwin", "architecture": "arm64"}, "Darwin on arm64", "container"),
        ({"free_memory": 1 * GB}, "Too little memory: 1.0 GB free, 2.0 GB needed", "swap"),
        ({"free_disk": 3 * GB}, "Too little disk space for .venv: 3.0 GB free, 5.0 GB needed", "larger disk"),
        ({"free_temporary": 1 * GB}, "Too little disk space for temporary files", "TMPDIR"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_with_a_remedy(change: dict[str, object], what: str, remedy: str) -> None:
    text = said(replace(GOOD, **change))  # type: ignore[arg-type]
    assert text.count("What to do") == 1
    assert what in text
    assert remedy in text.split("What to do: ")[1]


def test_all_problems_are_said_at_once() -> None:
    text = said(replace(GOOD, compiler=None, free_memory=0, python=(3, 8)))
    assert text.count("What to do") == 3


def test_room_is_asked_for_only_when_there_is_something_to_fill() -> None:
    assert said(replace(GOOD, free_disk=GB), fresh=False) == ""


def test_the_libraries_of_cuda_need_more_room() -> None:
    assert said(replace(GOOD, free_disk=8 * GB)) == ""
    assert "10.0 GB needed" in said(replace(GOOD, free_disk=8 * GB, nvcc="/cuda/bin/nvcc"), Wish(gpu=True))


@pytest.mark.parametrize(
    ("mpicxx", "mpi", "used"),
    [(None, "auto", False), ("/usr/bin/mpicxx", "auto", True), ("/usr/bin/mpicxx", "off", False), (None, "off", False)],
)
def test_mpi_is_used_where_it_is_unless_told_otherwise(mpicxx: str | None, mpi: preflight.Mpi, used: bool) -> None:
    machine = replace(GOOD, mpicxx=mpicxx)
    assert preflight.uses_mpi(machine, Wish(mpi=mpi)) is used
    assert said(machine, Wish(mpi=mpi)) == ""


def test_mpi_forced_on_where_there_is_none() -> None:
    assert "no mpicxx" in said(GOOD, Wish(mpi="on"))


def test_a_gpu_build_needs_a_toolkit() -> None:
    assert "no CUDA toolkit" in said(GOOD, Wish(gpu=True))
    assert said(replace(GOOD, nvcc="/usr/local/cuda/bin/nvcc"), Wish(gpu=True)) == ""


def test_a_cuda_build_of_torch_needs_a_toolkit() -> None:
    assert preflight.torch_problem("2.13.0+cpu", None, GOOD, Wish()) is None
    assert "2.13.0 is a build for CUDA 13.0" in str(preflight.torch_problem("2.13.0", "13.0", GOOD, Wish()))
    assert preflight.torch_problem("2.13.0", "13.0", replace(GOOD, nvcc="/usr/bin/nvcc"), Wish()) is None


def test_a_gpu_build_needs_torch_for_cuda() -> None:
    machine = replace(GOOD, nvcc="/usr/bin/nvcc")
    assert "a build for CPU" in str(preflight.torch_problem("2.13.0+cpu", None, machine, Wish(gpu=True)))
    assert preflight.torch_problem("2.13.0", "13.0", machine, Wish(gpu=True)) is None


def script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_probe_shows_what_an_old_compiler_says(tmp_path: Path) -> None:
    old = script(
        tmp_path, "old-g++", "echo \"old-g++: error: unrecognized command-line option '-std=gnu++20'\" >&2; exit 1"
    )
    assert "unrecognized command-line option" in str(facts.probe(str(old), "/usr/include"))


def test_the_probe_survives_a_compiler_that_cannot_run(tmp_path: Path) -> None:
    broken = tmp_path / "g++"
    broken.write_text("no program")
    assert facts.probe(str(broken), "/usr/include")


def test_this_machine_can_be_looked_at(tmp_path: Path) -> None:
    machine = facts.look(tmp_path)
    assert machine.system == "Linux"
    assert machine.cores >= 1
    assert machine.free_memory > 0
    assert machine.free_disk > 0


def test_the_compiler_of_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = script(tmp_path, "my-c++", "exit 0")
    monkeypatch.setenv("CXX", str(mine))
    assert facts.find_compiler() == str(mine)
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert facts.find_compiler() is None


def test_an_old_cmake_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=None)
    assert facts.find_cmake() is None
    script(tmp_path, "cmake", "echo cmake version 3.10.2")
    assert facts.find_cmake() is None
    script(tmp_path, "cmake", "echo cmake version 3.25.1")
    assert facts.find_cmake() == str(tmp_path / "cmake")


def test_an_mpi_is_known_by_what_it_links_not_by_its_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, "mpicxx", '[ "$1" = -show ] && echo g++ -lmpi || echo g++ 12.2.0')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert facts.look(tmp_path).mpi_command == "g++ -lmpi"
