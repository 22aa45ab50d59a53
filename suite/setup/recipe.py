"""What is built and how: pure functions, so that tests can look at every decision."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
RECIPE = 1  # raise it when the built library would differ though nothing below did

SUPPORTED_PYTHONS = ((3, 11), (3, 12), (3, 13))  # TensorFlow 2.21 has wheels for 3.10-3.13, SciPy 1.17 from 3.11 on
CPU_TORCH_INDEX = "https://download.pytorch.org/whl/cpu"  # on PyPI, torch for Linux is the CUDA build
MEMORY_PER_COMPILER = 1_500_000_000  # bytes; the largest unit, PyTorch's mpi_ops_v2.cc, peaks near 1.2 GB in gcc 12

FRAMEWORKS = ("pytorch", "tensorflow")  # by Horovod's names

PINS = HERE / "lock.txt"
CPU_PINS = HERE / "lock-cpu.txt"
GPU_PINS = HERE / "lock-gpu.txt"
CMAKE_PINS = HERE / "lock-cmake.txt"


@dataclass(frozen=True)
class BuildKey:
    """Everything that a built Horovod depends on. Two machines with the same key can share the wheel."""

    horovod: str
    torch: str
    tensorflow: str
    python: str
    platform: str
    compiler: str
    mpi: str
    gpu: str
    recipe: int = RECIPE

    def digest(self) -> str:
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def pinned(text: str, name: str) -> str:
    """The version of one package in the text of a lock file."""
    found = re.search(rf"^{re.escape(name)}==([^\s,]+)", text, re.MULTILINE | re.IGNORECASE)
    if not found:
        raise ValueError(f"the lock files pin no {name}: renew them with `make lock`")
    return found[1]


def without(text: str, *names: str) -> str:
    """The lines of a lock file but those of some packages."""
    pattern = re.compile(rf"^(?:{'|'.join(map(re.escape, names))})==", re.IGNORECASE)
    return "".join(line for line in text.splitlines(keepends=True) if not pattern.match(line))


def jobs(cores: int, free_memory: int) -> int:
    """How many compilers may run at once without running out of memory."""
    return max(1, min(cores, free_memory // MEMORY_PER_COMPILER))


@dataclass(frozen=True)
class Nccl:
    """Folders, as Horovod's build is told them."""

    include: Path
    library: Path


@dataclass(frozen=True)
class Gpu:
    """Where CUDA is, and NCCL if it is to carry what lies on GPUs."""

    toolkit: Path
    nccl: Nccl | None


def build_environment(
    base: Mapping[str, str],
    *,
    compiler: Path,
    cmake: Path,
    programs: Path,
    mpi: bool,
    gpu: Gpu | None,
    parallel: int,
    frameworks: Collection[str] = FRAMEWORKS,
) -> dict[str, str]:
    """The environment of Horovod's build, from which inherited settings that would change it are removed.

    `programs`: the folder of the environment's Python. `frameworks`: what Horovod is built for, and must not look beyond.
    """
    # PYTHONSAFEPATH: Horovod's setup.py imports what lies beside it.
    changing = ("HOROVOD_", "CXXFLAGS", "CFLAGS", "CMAKE_", "PYTHONSAFEPATH")
    kept = {name: value for name, value in base.items() if not name.startswith(changing)}
    chosen = {
        "CXX": str(compiler),
        "PATH": f"{programs}:{base.get('PATH', '')}",
        "HOROVOD_CMAKE": str(cmake),
        **{f"HOROVOD_{'WITH' if name in frameworks else 'WITHOUT'}_{name.upper()}": "1" for name in FRAMEWORKS},
        "HOROVOD_WITHOUT_MXNET": "1",
        "HOROVOD_WITH_GLOO": "1",
        "HOROVOD_WITH_MPI" if mpi else "HOROVOD_WITHOUT_MPI": "1",
        "CMAKE_POLICY_VERSION_MINIMUM": "3.5",  # CMake 4 refuses the version that the bundled Gloo asks for
        "MAKEFLAGS": f"-j{parallel}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    if gpu:
        chosen |= {
            "HOROVOD_CUDA_HOME": str(gpu.toolkit),
            "CUDA_HOME": str(gpu.toolkit),
            # nvcc must read headers by the standard that compiler.py sets; the last one counts, and Horovod says C++11.
            # And it compiles for a dozen GPUs one after the other, unless it is told of the cores.
            "NVCC_APPEND_FLAGS": f"-std=c++20 --threads {parallel}",
        }
    if gpu and gpu.nccl:
        chosen |= {
            "HOROVOD_GPU_OPERATIONS": "NCCL",
            "HOROVOD_NCCL_INCLUDE": str(gpu.nccl.include),
            "HOROVOD_NCCL_LIB": str(gpu.nccl.library),
            "HOROVOD_NCCL_LINK": "SHARED",
        }
    return kept | chosen
