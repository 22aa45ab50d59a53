"""What can be seen without starting anything: versions, names, cores, memory, GPUs."""

from __future__ import annotations

import importlib.metadata
import ipaddress
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from suite.doctor.check import Check, note, ok, problem
from suite.setup import recipe

SHOWN = ("horovod", "torch", "tensorflow-cpu", "keras", "numpy")
MEMORY_PER_RANK = 2_000_000_000  # bytes: a framework and AlexNet with batch 8, gradients and optimizer state


def versions() -> Check:
    """What is installed, compared with the lock."""
    have = {name: _version(name) for name in SHOWN}
    text = f"Python {'.'.join(map(str, sys.version_info[:3]))}, " + ", ".join(
        f"{n} {v or 'missing'}" for n, v in have.items()
    )
    return compare(text, have, _pins())


def compare(text: str, have: Mapping[str, str | None], pins: Mapping[str, str]) -> Check:
    missing = [name for name, version in have.items() if version is None]
    if missing:
        return problem("versions", text, f"{', '.join(missing)} is not installed: run `make setup`")
    other = [
        f"{name} {pins[name]}" for name, version in have.items() if name in pins and _release(version) != pins[name]
    ]
    if other:
        return note("versions", text, f"the lock pins {', '.join(other)}: run `make setup`")
    return ok("versions", text)


def _release(version: str | None) -> str:
    return (version or "").split("+")[0]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pins() -> dict[str, str]:
    text = recipe.PINS.read_text() + recipe.CPU_PINS.read_text()
    return {name: _release(recipe.pinned(text, name)) for name in SHOWN}


def host_name() -> Check:
    """Gloo listens on whatever the host name resolves to, whatever interface was chosen."""
    name = socket.gethostname()
    try:
        addresses = sorted({str(entry[4][0]) for entry in socket.getaddrinfo(name, None, socket.AF_INET)})
    except socket.gaierror as error:
        return problem(
            "host name",
            f"{name} does not resolve ({error.strerror}); Gloo needs it even on one machine",
            f"add a line `127.0.0.1 {name}` to /etc/hosts, or the address of the network card for several machines",
        )
    return judge_host_name(name, addresses)


def judge_host_name(name: str, addresses: list[str]) -> Check:
    text = f"{name} is {', '.join(addresses)}"
    if all(ipaddress.ip_address(address).is_loopback for address in addresses):
        return note(
            "host name",
            f"{text}: fine for ranks on this machine only",
            f"for jobs over several machines, let {name} resolve to the network card's address in /etc/hosts",
        )
    return ok("host name", text)


@dataclass(frozen=True)
class Cpu:
    cores: int
    quota: float | None  # of the control group, in cores


def cpu() -> Cpu:
    quota = None
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        quota = None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    return Cpu(len(os.sched_getaffinity(0)), quota)


def cores(ranks: int) -> Check:
    return judge_cores(cpu(), ranks)


def judge_cores(found: Cpu, ranks: int) -> Check:
    usable = min(found.cores, found.quota or found.cores)
    text = f"{found.cores} for {ranks} ranks" + (f", but a quota of {found.quota:g}" if found.quota else "")
    if usable < ranks:
        return note(
            "cores", text, "ranks share cores: real compute is slowed down; use fewer ranks or replayed compute"
        )
    return ok("cores", text)


def memory(ranks: int) -> Check:
    return judge_memory(psutil.virtual_memory().available, ranks)


def judge_memory(available: int, ranks: int) -> Check:
    needed = ranks * MEMORY_PER_RANK
    text = f"{available / 1e9:.1f} GB available, about {needed / 1e9:.0f} GB needed for {ranks} ranks of AlexNet"
    if available < needed:
        return problem("memory", text, "use fewer ranks or a smaller model (--width), or end other programs")
    return ok("memory", text)


def gpus() -> list[str]:
    """The names of the GPUs that the driver shows."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        done = subprocess.run(
            [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def judge_gpus(found: list[str], nccl: bool, torch_cuda: str | None) -> Check:
    built = (
        f"Horovod {'with' if nccl else 'without'} NCCL, torch {'for CUDA ' + torch_cuda if torch_cuda else 'for CPU'}"
    )
    if not found:
        return ok("GPUs", f"none; {built}")
    text = f"{'; '.join(found)}; {built}"
    if nccl and torch_cuda:
        return ok("GPUs", text)
    return note("GPUs", text, "to use them: remove .venv and run `make setup GPU=1`")
