"""Decides before anything is downloaded or compiled whether set-up can work, and says what to do when it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from suite.setup.facts import Machine
from suite.setup.recipe import SUPPORTED_PYTHONS

GB = 1_000_000_000
DISK_NEEDED = 5 * GB  # .venv takes 3.3 GB, more while wheels are unpacked
DISK_NEEDED_GPU = 10 * GB  # then it takes 7.1 GB
TEMPORARY_NEEDED = 2 * GB  # downloads and Horovod's build tree
MEMORY_NEEDED = 2 * GB  # one compiler and pip

Mpi = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    gpu: bool = False
    mpi: Mpi = "auto"


@dataclass(frozen=True)
class Problem:
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}\n  What to do: {self.remedy}"


def problems(machine: Machine, wish: Wish, *, fresh: bool) -> list[Problem]:
    """All that stands in the way. `fresh`: .venv has still to be filled, so room for it is needed."""
    found = [*_python(machine), *compiler_problems(machine)]
    if wish.mpi == "on" and machine.mpicxx is None:
        found.append(
            Problem("MPI was asked for, but there is no mpicxx on the PATH.", "install an MPI, or leave out MPI=on.")
        )
    if wish.gpu and machine.nvcc is None:
        found.append(_no_toolkit("GPU=1 was asked for"))
    disk_needed = DISK_NEEDED_GPU if wish.gpu else DISK_NEEDED
    if fresh and machine.free_disk < disk_needed:
        found.append(
            room("disk space for .venv", machine.free_disk, disk_needed, "free some, or clone to a larger disk.")
        )
    if fresh and machine.free_temporary < TEMPORARY_NEEDED:
        remedy = "free some, or set TMPDIR to a folder on a larger disk."
        found.append(room("disk space for temporary files", machine.free_temporary, TEMPORARY_NEEDED, remedy))
    if machine.free_memory < MEMORY_NEEDED:
        remedy = "end other programs, or add memory or swap; one compiler alone needs 1.2 GB."
        found.append(room("memory", machine.free_memory, MEMORY_NEEDED, remedy))
    return found


def uses_mpi(machine: Machine, wish: Wish) -> bool:
    return wish.mpi == "on" or (wish.mpi == "auto" and machine.mpicxx is not None)


def torch_problem(torch: str, cuda: str | None, machine: Machine, wish: Wish) -> Problem | None:
    """A CUDA build of torch makes Horovod's build look for a CUDA toolkit; better said before than after."""
    if wish.gpu and cuda is None:
        return Problem(
            f"GPU=1 was asked for, but pip installed torch {torch}, a build for CPU.",
            "look with `pip config list` where pip finds it, and let it find torch for CUDA, as on PyPI.",
        )
    if cuda is None or machine.nvcc is not None:
        return None
    return _no_toolkit(f"The installed torch {torch} is a build for CUDA {cuda}")


def _no_toolkit(cause: str) -> Problem:
    return Problem(
        f"{cause}, but there is no CUDA toolkit (nvcc).",
        "install the CUDA toolkit and put nvcc on the PATH or set CUDA_HOME; or use the CPU build of torch: "
        "remove .venv and run `make setup` without GPU=1.",
    )


def _python(machine: Machine) -> list[Problem]:
    names = ", ".join(f"{major}.{minor}" for major, minor in SUPPORTED_PYTHONS)
    found = []
    if machine.system != "Linux" or machine.architecture != "x86_64":
        found.append(
            Problem(
                f"This is {machine.system} on {machine.architecture}; the pinned wheels exist for Linux on x86_64 only.",
                "use such a machine, or a container or virtual machine of that kind.",
            )
        )
    if machine.implementation != "CPython" or machine.python not in SUPPORTED_PYTHONS:
        version = ".".join(map(str, machine.python))
        found.append(
            Problem(
                f"This is {machine.implementation} {version}; the pinned wheels exist for CPython {names} only.",
                "install one of these and say `make setup PYTHON=python3.11`.",
            )
        )
    if not machine.has_venv:
        found.append(
            Problem(
                "This Python cannot make virtual environments (module ensurepip is missing).",
                "install its venv package (on Debian and Ubuntu python3-venv), or use a Python from uv or pyenv.",
            )
        )
    return found


def compiler_problems(machine: Machine) -> list[Problem]:
    """What stands in the way of compiling anything."""
    if machine.compiler is None:
        return [
            Problem(
                "There is no C++ compiler (looked for $CXX, else g++, c++, clang++).",
                "install one with C++20, gcc 11 or clang 14 or newer (on Debian and Ubuntu the package g++).",
            )
        ]
    found = []
    if not machine.has_headers:
        found.append(
            Problem(
                "The headers of this Python are missing (Python.h).",
                "install its development package (on Debian and Ubuntu python3-dev).",
            )
        )
    elif machine.probe_error is not None:
        reason = next((line for line in machine.probe_error.splitlines() if "error" in line), machine.probe_error)
        found.append(
            Problem(
                f"{machine.compiler} ({machine.compiler_version}) does not compile C++20: {reason.strip()}",
                "install gcc 11 or clang 14 or newer and set CXX to it: `make setup CXX=g++-12`.",
            )
        )
    if machine.make is None:
        found.append(Problem("There is no make.", "install it (on Debian and Ubuntu the package make)."))
    return found


def room(kind: str, have: int, need: int, remedy: str) -> Problem:
    return Problem(f"Too little {kind}: {have / GB:.1f} GB free, {need / GB:.1f} GB needed.", remedy)
