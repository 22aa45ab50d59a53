"""Looks at the machine. No decision is made here; `preflight` decides."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROBE = """
#include <concepts>
#include <span>
#include <version>
#include <Python.h>
#if __cplusplus < 202002L
#error "not C++20"
#endif
template <std::integral T> T twice(T value) { return value + value; }
int main() { int values[2] = {1, 2}; return twice(static_cast<int>(std::span<int>(values).size())) - 4; }
"""


@dataclass(frozen=True)
class Machine:
    """What was found. `None` means not there."""

    system: str
    architecture: str
    python: tuple[int, int]
    implementation: str
    has_venv: bool
    has_headers: bool
    compiler: str | None
    compiler_version: str
    probe_error: str | None
    make: str | None
    cmake: str | None
    mpicxx: str | None
    mpi_command: str  # what mpicxx would run; its --version is the C++ compiler's
    nvcc: str | None
    nvcc_version: str
    cores: int
    free_memory: int
    free_disk: int
    free_temporary: int


def look(project: Path) -> Machine:
    compiler = find_compiler()
    mpicxx = shutil.which("mpicxx")
    nvcc = find_nvcc()
    include = sysconfig.get_path("include")
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        python=sys.version_info[:2],
        implementation=platform.python_implementation(),
        has_venv=importlib.util.find_spec("ensurepip") is not None,
        has_headers=Path(include, "Python.h").exists(),
        compiler=compiler,
        compiler_version=first_line(compiler, "--version") if compiler else "",
        probe_error=probe(compiler, include) if compiler else None,
        make=shutil.which("make") or shutil.which("gmake"),
        cmake=find_cmake(),
        mpicxx=mpicxx,
        mpi_command=first_line(mpicxx, "-show") if mpicxx else "",
        nvcc=nvcc,
        nvcc_version=last_line(nvcc, "--version") if nvcc else "",
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        free_memory=free_memory(),
        free_disk=shutil.disk_usage(project).free,
        free_temporary=shutil.disk_usage(tempfile.gettempdir()).free,
    )


def find_compiler() -> str | None:
    """The compiler of the environment's CXX, else the first of the usual names."""
    asked = os.environ.get("CXX")
    return next(
        (path for name in ([asked] if asked else ["g++", "c++", "clang++"]) if (path := shutil.which(name))), None
    )


def find_cmake() -> str | None:
    """A CMake that Horovod's build accepts (3.13 or newer)."""
    path = shutil.which("cmake")
    words = first_line(path, "--version").split() if path else []
    parts = words[2].split(".") if len(words) > 2 else []
    try:
        return path if (int(parts[0]), int(parts[1])) >= (3, 13) else None
    except (IndexError, ValueError):
        return None


def find_nvcc() -> str | None:
    homes = [os.environ.get(name, "") for name in ("HOROVOD_CUDA_HOME", "CUDA_HOME")] + ["/usr/local/cuda"]
    return next((path for home in homes if home and (path := shutil.which(f"{home}/bin/nvcc"))), None) or shutil.which(
        "nvcc"
    )


def probe(compiler: str, include: str) -> str | None:
    """What the compiler says about a small C++20 program that includes Python's headers; None when all is well."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.cc")
        source.write_text(PROBE)
        try:
            done = subprocess.run(
                [compiler, "-std=gnu++20", f"-I{include}", "-fsyntax-only", str(source)],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    return None if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def first_line(*command: str) -> str:
    return next(iter(_lines(*command)), "")


def last_line(*command: str) -> str:
    return next(iter(reversed(_lines(*command))), "")


def _lines(*command: str) -> list[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def free_memory() -> int:
    """Bytes that a build may use: what the kernel calls available, within the limit of the control group."""
    free = 0
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        free = int(fields.get("MemAvailable", "0 kB").split()[0]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    with contextlib.suppress(OSError, ValueError):  # no control group, or "max": no limit
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return free
