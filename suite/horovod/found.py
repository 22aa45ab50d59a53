"""What is installed in the environment that this Python belongs to. Nothing is imported: that would take seconds."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from suite.setup.cuda import find_nccl
from suite.setup.environment import torch_version
from suite.setup.facts import Machine
from suite.setup.preflight import MEMORY_NEEDED, TEMPORARY_NEEDED, Mpi, Problem, compiler_problems, room

Nccl = Literal["auto", "on", "off"]
TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tf-nightly", "tensorflow-rocm")
# The oldest that the recipe was tried with; TensorFlow 2.16 is the first with Keras 3.
OLDEST = {"pytorch": (2, 4), "tensorflow": (2, 16)}
NAMES = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}


@dataclass(frozen=True)
class Found:
    """Versions; empty where there is none."""

    pytorch: str
    cuda: str  # that this PyTorch was built for
    tensorflow: str
    has_pip: bool
    prefix: str
    activated: str  # what VIRTUAL_ENV says
    nccl: tuple[Path, Path] | None = None  # headers and library that Horovod may share with this PyTorch
    cuda_home: str = ""  # which folder PyTorch takes for a CUDA toolkit

    @property
    def frameworks(self) -> dict[str, str]:
        both = {"pytorch": self.pytorch, "tensorflow": self.tensorflow}
        return {name: version for name, version in both.items() if version}


def look() -> Found:
    spec = importlib.util.find_spec("torch")
    folder = Path(spec.origin).parent if spec is not None and spec.origin else None
    torch, cuda = torch_version(folder) if folder is not None else ("", None)
    return Found(
        pytorch=torch,
        cuda=cuda or "",
        tensorflow=next(filter(None, map(_version, TENSORFLOWS)), ""),
        has_pip=importlib.util.find_spec("pip") is not None,
        prefix=sys.prefix,
        activated=os.environ.get("VIRTUAL_ENV", ""),
        nccl=find_nccl(folder.parent) if folder is not None and cuda else None,
        cuda_home=cuda_home(os.environ),
    )


def cuda_home(environment: Mapping[str, str], usual: Path = Path("/usr/local/cuda")) -> str:
    """Where PyTorch looks for CUDA's compiler, whether it is there or not; empty for nowhere."""
    told = environment.get("CUDA_HOME") or environment.get("CUDA_PATH")
    return told or (str(usual) if usual.exists() else "")


def problems(found: Found, machine: Machine, mpi: Mpi, nccl: Nccl = "auto", *, cpu: bool = False) -> list[Problem]:
    """All that stands in the way, each with what to do."""
    said = []
    if found.activated and Path(found.activated).resolve() != Path(found.prefix).resolve():
        what = f"Two environments at once: {found.activated} is activated, but this Python belongs to {found.prefix}."
        said.append(Problem(what, "run it with the Python of the one that is meant: `python -m suite.horovod build`."))
    if not found.frameworks:
        what = f"There is neither PyTorch nor TensorFlow in {found.prefix}."
        said.append(Problem(what, "install the one that you train with first: Horovod is built against it."))
    for name, version in found.frameworks.items():
        if (numbers(version) or OLDEST[name]) < OLDEST[name]:
            least = ".".join(map(str, OLDEST[name]))
            what = f"{NAMES[name]} {version} is too old for this recipe, which was tried from {least} on."
            said.append(Problem(what, "install a newer one."))
    if not found.has_pip:
        what = f"There is no pip in {found.prefix}."
        said.append(Problem(what, "`python -m ensurepip`, or `uv pip install pip` in an environment of uv's."))
    if found.cuda and machine.nvcc is None and not cpu:
        what = f"PyTorch {found.pytorch} is a build for CUDA {found.cuda}, but there is no CUDA toolkit (nvcc)."
        remedy = "put nvcc on the PATH or set CUDA_HOME; or say --cpu, and what lies in main memory travels."
        said.append(Problem(what, remedy))
    if found.cuda and machine.nvcc is not None and cpu:
        what = f"--cpu was asked for, but PyTorch {found.pytorch} and Horovod's build find {machine.nvcc}."
        said.append(Problem(what, "leave it out: what lies in main memory travels all the same."))
    if found.cuda and machine.nvcc is None and cpu and found.cuda_home:
        # Horovod's build asks PyTorch, which looks for a folder, and then for the compiler that is not in it.
        what = (
            f"--cpu was asked for, but PyTorch takes {found.cuda_home} for a CUDA toolkit, and there is no nvcc in it."
        )
        said.append(Problem(what, "rename that folder for the build (CUDA_HOME, CUDA_PATH: unset), or put nvcc there."))
    if mpi == "on" and machine.mpicxx is None:
        what = "MPI was asked for, but there is no mpicxx on the PATH."
        said.append(Problem(what, "install an MPI with its headers, or leave out --mpi on."))
    if nccl == "on" and found.nccl is None:
        what = "NCCL was asked for, but it is neither beside PyTorch nor in the system."
        if not found.cuda:
            what = f"NCCL was asked for, but PyTorch {found.pytorch or '(none)'} is no build for CUDA."
        said.append(Problem(what, "install PyTorch for CUDA with its package of NCCL, or leave out --nccl on."))
    said += compiler_problems(machine)
    if machine.free_memory < MEMORY_NEEDED:
        said.append(room("memory", machine.free_memory, MEMORY_NEEDED, "end other programs, or add memory or swap."))
    if machine.free_temporary < TEMPORARY_NEEDED:
        remedy = "free some, or set TMPDIR to a folder on a larger disk."
        said.append(room("disk space for temporary files", machine.free_temporary, TEMPORARY_NEEDED, remedy))
    return said


def numbers(version: str) -> tuple[int, int] | None:
    """`2.13.0+cpu` is (2, 13); None for what is no release."""
    parts = re.match(r"(\d+)\.(\d+)", version)
    return (int(parts[1]), int(parts[2])) if parts else None


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
