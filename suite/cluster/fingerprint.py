"""The environment of one host: what must be known to repeat a run, and to tell whether two runs may be compared.

Imports no framework: versions come from the installed packages' metadata. A caller that has Horovod loaded anyway
may hand it over to learn what was compiled into it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from suite.cluster.local import usable_cores

# Distribution names, the first installed of each group counts: TensorFlow comes under several.
_PACKAGES = {
    "torch": ("torch",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "keras": ("keras",),
    "horovod": ("horovod",),
    "numpy": ("numpy",),
}
# What Horovod 0.28.1 does where nothing is said (horovod/common/operations.cc, global_state.h).
_HOROVOD_DEFAULTS = {
    "HOROVOD_CYCLE_TIME": "1",
    "HOROVOD_FUSION_THRESHOLD": str(128 * 1024 * 1024),
    "HOROVOD_CACHE_CAPACITY": "1024",
}
_SETTINGS = (
    *_HOROVOD_DEFAULTS,
    "HOROVOD_AUTOTUNE",
    "HOROVOD_BATCH_D2D_MEMCOPIES",
    "HOROVOD_CONTROLLER",
    "HOROVOD_CPU_OPERATIONS",
    "HOROVOD_DISABLE_GROUP_FUSION",
    "HOROVOD_DYNAMIC_PROCESS_SETS",
    "HOROVOD_ENABLE_ASYNC_COMPLETION",
    "HOROVOD_GLOO_TIMEOUT_SECONDS",
    "HOROVOD_HIERARCHICAL_ALLGATHER",
    "HOROVOD_HIERARCHICAL_ALLREDUCE",
    "HOROVOD_NUM_NCCL_STREAMS",
    "HOROVOD_THREAD_AFFINITY",
    "HOROVOD_TIMELINE",
    "HOROVOD_TORUS_ALLREDUCE",
)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
# Parts of the suite that take no part in a run.
_NOT_RUN = ("report", "setup", "cli")
_ROOT = Path(__file__).parents[2]


class LoadedHorovod(Protocol):
    """horovod.torch or horovod.tensorflow."""

    def mpi_built(self) -> object: ...
    def gloo_built(self) -> object: ...
    def nccl_built(self) -> object: ...
    def ccl_built(self) -> object: ...


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    name: str
    cpu: str
    cores: int
    memory_bytes: int
    gpus: tuple[str, ...] = ()
    system: str = ""
    network: tuple[str, ...] = ()
    python: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    horovod: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    other: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Equal for runs that may be averaged together.

        Left out: the host's name (twins are the same environment), the interfaces seen by the rank (the cluster's
        facts tell those; the machine's own cards are under `other`), and the commit (the code that ran is there too).
        """
        content = asdict(self)
        for key in ("name", "network", "commit"):
            del content[key]
        content["memory_bytes"] = round(self.memory_bytes / 2**30)  # firmware and kernel keep a varying bit of it
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def differences(self, other: Fingerprint) -> dict[str, tuple[object, object]]:
        """What sets two environments apart, by field; only what counts for the digest."""
        mine, theirs = asdict(self), asdict(other)
        ignored = {"name", "network", "commit"}
        return {key: (mine[key], theirs[key]) for key in mine if key not in ignored and mine[key] != theirs[key]}


def take(
    hvd: LoadedHorovod | None = None, environment: Mapping[str, str] | None = None, root: Path = _ROOT
) -> Fingerprint:
    environment = os.environ if environment is None else environment
    return Fingerprint(
        name=socket.gethostname(),
        cpu=_cpu(),
        cores=usable_cores(),
        memory_bytes=psutil.virtual_memory().total,
        gpus=_gpus(),
        system=_system(),
        network=_interfaces(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        versions=_versions(),
        horovod=_horovod_build(hvd) | _settings(environment),
        commit=commit(root),
        other={
            "code": code_digest(root),
            "cards": ", ".join(_cards()),
            "governor": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")) or "unknown",
            **{name: environment[name] for name in _THREADS if name in environment},
        },
    )


def _cpu() -> str:
    for line in (_read(Path("/proc/cpuinfo")) or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    try:
        distribution = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        distribution = platform.system()
    return f"{distribution}, {platform.platform()}"


def _gpus() -> tuple[str, ...]:
    if not shutil.which("nvidia-smi"):
        return ()
    listed = _run("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    return tuple(line.strip() for line in (listed or "").splitlines() if line.strip())


def _interfaces() -> tuple[str, ...]:
    """Those that are up where this process is, with the speed the driver claims (0: unknown) and the MTU."""
    up = {name: card for name, card in psutil.net_if_stats().items() if card.isup}
    return tuple(f"{name} {card.speed} Mbit/s, MTU {card.mtu}" for name, card in sorted(up.items()))


def _cards() -> Iterable[str]:
    """The machine's own cards. /sys shows them inside an emulated host too, so that one machine stays one machine."""
    for card in sorted(Path("/sys/class/net").glob("*/device")):
        speed = _read(card.parent / "speed")
        yield f"{card.parent.name} {speed or 'unknown'} Mbit/s"


def _versions() -> dict[str, str]:
    found = {}
    for name, distributions in _PACKAGES.items():
        for distribution in distributions:
            try:
                found[name] = importlib.metadata.version(distribution)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def _horovod_build(hvd: LoadedHorovod | None) -> dict[str, str]:
    build: dict[str, str] = {}
    package = importlib.util.find_spec("horovod")  # finds it without importing it
    if package is None or package.origin is None:
        return build
    folder = Path(package.origin).parent
    frameworks = [name for name in ("tensorflow", "torch") if any((folder / name).glob("mpi_lib*.so"))]
    build["frameworks"] = ", ".join(frameworks)
    built_against = json.loads(_read(folder / "metadata.json") or "{}")
    build["built against"] = ", ".join(
        f"{name} {built_against[name]}" for name in sorted(built_against.keys() - {"dummy"})
    )
    if hvd is not None:
        features = {"MPI": hvd.mpi_built, "Gloo": hvd.gloo_built, "NCCL": hvd.nccl_built, "CCL": hvd.ccl_built}
        build["features"] = ", ".join(name for name, built in features.items() if built())
    return build


def _settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: environment.get(name, _HOROVOD_DEFAULTS.get(name, ""))
        for name in _SETTINGS
        if name in environment or name in _HOROVOD_DEFAULTS
    }


def commit(root: Path = _ROOT) -> str | None:
    """The commit of this project, with a + where its files were changed since; None outside of its repository."""
    # Installed into a folder that happens to be inside another repository, that one's commit would be a lie.
    git = ("git", "--no-optional-locks", "-C", str(root))  # others may be committing
    if _run(*git, "ls-files", "--error-unmatch", "suite/cluster/fingerprint.py") is None:
        return None
    described = _run(*git, "describe", "--always", "--dirty=+", "--abbrev=40", "--exclude=*")
    return described.strip() if described else None


def code_digest(root: Path = _ROOT) -> str:
    """Over the Python files a run can execute, so that it is the same with and without git."""
    digest = hashlib.sha256()
    for package in ("algorithms", "suite"):
        for file in sorted((root / package).rglob("*.py")):
            relative = file.relative_to(root)
            if relative.parts[0] == "suite" and relative.parts[1] in _NOT_RUN:
                continue
            digest.update(f"{relative.as_posix()}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _run(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
