"""What is in an environment, and what stands in the way of building Horovod for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from suite.horovod import found
from suite.horovod.found import Found
from suite.setup import cuda, facts
from suite.setup.facts import Machine

HERE = Found(pytorch="2.13.0+cpu", cuda="", tensorflow="", has_pip=True, prefix="/env", activated="")


@pytest.fixture(scope="module")
def machine() -> Machine:
    looked = facts.look(Path("/"))
    return replace(looked, nvcc=None, free_memory=8 * 10**9, free_temporary=9 * 10**9)


def test_this_environment_has_both() -> None:
    looked = found.look()
    assert looked.frameworks.keys() == {"pytorch", "tensorflow"}
    assert looked.has_pip
    assert looked.cuda == ""


def test_one_framework_is_enough(machine: Machine) -> None:
    assert not found.problems(HERE, machine, "auto")
    assert not found.problems(replace(HERE, pytorch="", tensorflow="2.16.2"), machine, "auto")
    assert list(replace(HERE, tensorflow="2.18.1").frameworks) == ["pytorch", "tensorflow"]


@pytest.mark.parametrize(
    ("here", "said"),
    [
        (replace(HERE, pytorch=""), "There is neither PyTorch nor TensorFlow in /env."),
        (replace(HERE, pytorch="2.3.1"), "PyTorch 2.3.1 is too old for this recipe, which was tried from 2.4 on."),
        (
            replace(HERE, tensorflow="2.15.1"),
            "TensorFlow 2.15.1 is too old for this recipe, which was tried from 2.16 on.",
        ),
        (replace(HERE, has_pip=False), "There is no pip in /env."),
        (replace(HERE, activated="/other"), "Two environments at once: /other is activated"),
        (replace(HERE, pytorch="2.13.0+cu130", cuda="13.0"), "is a build for CUDA 13.0, but there is no CUDA toolkit"),
    ],
)
def test_what_stands_in_the_way_is_said_with_a_remedy(here: Found, said: str, machine: Machine) -> None:
    (problem,) = found.problems(here, machine, "auto")
    assert said in problem.what
    assert problem.remedy


def test_nccl_is_asked_for_only_where_it_is(machine: Machine, tmp_path: Path) -> None:
    (problem,) = found.problems(HERE, machine, "auto", "on")
    assert "PyTorch 2.13.0+cpu is no build for CUDA" in problem.what
    for_cuda = replace(HERE, cuda="13.0")
    with_nvcc = replace(machine, nvcc="/cuda/bin/nvcc")
    (problem,) = found.problems(for_cuda, with_nvcc, "auto", "on")
    assert "neither beside PyTorch nor in the system" in problem.what
    assert not found.problems(for_cuda, with_nvcc, "auto", "auto"), "Gloo is enough"
    assert not found.problems(replace(for_cuda, nccl=(tmp_path, tmp_path)), with_nvcc, "auto", "on")


def test_without_nvcc_what_lies_in_main_memory_travels_on_request(machine: Machine) -> None:
    for_cuda = replace(HERE, pytorch="2.13.0+cu130", cuda="13.0")
    (problem,) = found.problems(for_cuda, machine, "auto")
    assert "say --cpu" in problem.remedy
    assert not found.problems(for_cuda, machine, "auto", cpu=True)
    (problem,) = found.problems(for_cuda, replace(machine, nvcc="/cuda/bin/nvcc"), "auto", cpu=True)
    assert "Horovod's build find /cuda/bin/nvcc" in problem.what
    assert not found.problems(HERE, replace(machine, nvcc="/cuda/bin/nvcc"), "auto", cpu=True), "a CPU build has none"


def test_a_folder_that_pytorch_takes_for_a_toolkit_is_in_the_way(machine: Machine) -> None:
    for_cuda = replace(HERE, pytorch="2.13.0+cu130", cuda="13.0", cuda_home="/usr/local/cuda")
    (problem,) = found.problems(for_cuda, machine, "auto", cpu=True)
    assert "PyTorch takes /usr/local/cuda for a CUDA toolkit, and there is no nvcc in it" in problem.what
    assert not found.problems(replace(HERE, cuda_home="/usr/local/cuda"), machine, "auto", cpu=True), "a CPU build"


def test_pytorch_looks_for_a_toolkit_where_it_is_told_or_in_the_usual_folder(tmp_path: Path) -> None:
    assert found.cuda_home({}, tmp_path / "none") == ""
    assert found.cuda_home({}, tmp_path) == str(tmp_path)
    assert found.cuda_home({"CUDA_HOME": "", "CUDA_PATH": "/opt/cuda"}, tmp_path / "none") == "/opt/cuda"
    assert found.cuda_home({"CUDA_HOME": "/a", "CUDA_PATH": "/b"}, tmp_path) == "/a"


def test_the_nccl_beside_pytorch_comes_first(tmp_path: Path) -> None:
    system = (tmp_path / "include", tmp_path / "lib")
    assert cuda.find_nccl(tmp_path, (system,)) is None
    for include, library in (system, (tmp_path / "nvidia" / "nccl" / "include", tmp_path / "nvidia" / "nccl" / "lib")):
        include.mkdir(parents=True)
        library.mkdir(parents=True)
        (include / "nccl.h").touch()
        (library / "libnccl.so.2").touch()
        assert cuda.find_nccl(tmp_path, (system,)) == (include, library / "libnccl.so.2")
    linked = cuda.linkable((include, library / "libnccl.so.2"), tmp_path / "tools")
    assert (linked.library / "libnccl.so").resolve() == library / "libnccl.so.2"


def test_no_compiler_no_memory_and_no_mpi_are_said_at_once(machine: Machine) -> None:
    bare = replace(machine, compiler=None, free_memory=10**8, free_temporary=10**8, mpicxx=None)
    said = "\n".join(one.what for one in found.problems(HERE, bare, "on"))
    for part in ("no C++ compiler", "Too little memory", "Too little disk space", "no mpicxx"):
        assert part in said


@pytest.mark.parametrize(
    ("text", "expected"), [("2.13.0+cpu", (2, 13)), ("2.4.1", (2, 4)), ("2.22.0.dev2026", (2, 22)), ("main", None)]
)
def test_versions(text: str, expected: tuple[int, int] | None) -> None:
    assert found.numbers(text) == expected


def test_an_activated_environment_is_the_same_through_a_link(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "env")
    here = replace(HERE, prefix=str(tmp_path / "env"), activated=str(tmp_path / "link"))
    assert not found.problems(here, machine, "auto")
