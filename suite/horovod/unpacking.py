"""What `bash unpack` does: environments with Horovod, on a machine without a network, by the code of `horovod build`.

One environment has Horovod with Gloo alone: several ranks may share a GPU there, and it is all that a machine without one
needs. Where NCCL is found a second one has Horovod over NCCL. Both see the PyTorch that is there. Running it again goes on
where it was cut.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.horovod import found, manifest
from suite.horovod.building import NotReadyError
from suite.horovod.packing import NEEDED
from suite.setup import facts
from suite.setup.preflight import GB, room
from suite.setup.wheel import SetupError

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
DISK_NEEDED = GB  # two environments without a framework, and one build
LOG, LOCK = "unpack.log", ".unpack.lock"
OUTER = "farandole-outer.pth"  # names the packages of the Python that has PyTorch


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    archive: Path
    into: Path
    nccl: found.Nccl
    jobs: int

    @property
    def project(self) -> Path:
        return self.archive / "project"

    @property
    def wheels(self) -> Path:
        return self.archive / "wheels"


Run = Callable[[Sequence[str], Mapping[str, str]], int]


def main(arguments: Sequence[str]) -> int:
    archive = Path(arguments[0])
    parser = argparse.ArgumentParser(
        prog="bash unpack", description="Build Horovod for the PyTorch of this machine, without a network."
    )
    parser.add_argument("--python", default="python3", help="the Python that has PyTorch; default: python3")
    parser.add_argument("--into", type=Path, default=archive, help="where the environments go; default: beside unpack")
    parser.add_argument("--nccl", choices=("auto", "on", "off"), default="auto", help="auto: where it is found")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="compilers at once; default: what fits")
    chosen = parser.parse_args(arguments[1:])
    wish = Wish(archive, chosen.into.absolute(), chosen.nccl, chosen.jobs)
    try:
        unpack(wish)
    except NotReadyError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("error: interrupted; run it again to go on", file=sys.stderr)
        return INTERRUPTED
    return OK


def unpack(wish: Wish) -> None:
    begin = time.monotonic()
    here = ready(wish)
    wish.into.mkdir(parents=True, exist_ok=True)
    with (wish.into / LOCK).open("w") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NotReadyError(f"another unpack is at work in {wish.into}; wait for it, or say --into") from error
        made = environments(wish, here, wish.into / LOG)
    print(f"Ready after {time.monotonic() - begin:.0f} s; all that was said is in {wish.into / LOG}.")
    how = f" --nccl {made[1]}" if len(made) > 1 else "" if here.cuda and facts.find_nvcc() else " --cpu"
    print(f"Now: cd {wish.project} && {made[0]} -m suite gpu-check{how}")


def environments(wish: Wish, here: found.Found, log: Path) -> list[Path]:
    """Make them all, the one that works everywhere first. Their Pythons."""
    made = []
    for name, asked in kinds(wish, here):
        environment = wish.into / f"env-{name}"
        print(f"== {environment}", flush=True)
        prepare(environment, wish, teed(log))
        build = [str(environment / "bin" / "python"), "-m", "suite.horovod", "build", "--mpi", "off", *asked]
        without = f"Horovod could not be built; what needs none works: {build[0]} -m suite gpu-check --only profiles"
        step(teed(log), [*build, "--jobs", str(wish.jobs)] if wish.jobs else build, wish, without)
        made.append(environment / "bin" / "python")
    return made


def ready(wish: Wish) -> found.Found:
    """What is here, or one line with what stands in the way."""
    damaged = manifest.damage(wish.archive)
    if damaged:
        raise NotReadyError(f"the archive is torn: {damaged}; bring it here again. Nothing was changed.")
    here = found.look()
    if not here.pytorch:
        raise NotReadyError(
            f"there is no PyTorch in {sys.prefix}: say --python and the Python that has it. Nothing was changed."
        )
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    packed = {path.name.split("-")[2] for path in wish.wheels.glob("pydantic_core-*.whl")}  # one for each Python
    if tag not in packed:
        version = platform.python_version()
        raise NotReadyError(
            f"the archive has no wheels for Python {version} ({tag}), only for {', '.join(sorted(packed))}: "
            f"`farandole horovod pack --python {version.rpartition('.')[0]}` where there is a network."
        )
    place = next(folder for folder in (wish.into, *wish.into.parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    if free < DISK_NEEDED:
        raise NotReadyError(
            str(room(f"disk space in {place}", free, DISK_NEEDED, "say --into and a folder on a larger disk."))
        )
    return here


def kinds(wish: Wish, here: found.Found) -> list[tuple[str, Sequence[str]]]:
    """The environments to make, and what each says to `horovod build`."""
    gloo: list[tuple[str, Sequence[str]]] = [("gloo", ["--nccl", "off"])]
    nvcc = facts.find_nvcc()
    lacking = "PyTorch is no build for CUDA" if not here.cuda else "" if here.nccl else "NCCL is not beside PyTorch"
    lacking = lacking or ("" if nvcc else "there is no nvcc")
    if lacking and wish.nccl == "on":
        raise NotReadyError(f"--nccl on: {lacking}. Without it Horovod with Gloo works: say --nccl off.")
    if here.cuda and not nvcc:
        print("Horovod is built for what lies in main memory, nothing on a GPU will travel: there is no nvcc.")
        return [("cpu", ["--cpu"])]  # not `env-gloo`, which is to be built once there is one
    if wish.nccl == "off":
        return gloo
    if lacking:
        print(f"Horovod is built with Gloo alone: {lacking}.")
        return gloo
    return [*gloo, ("nccl", ["--nccl", "on"])]


def prepare(environment: Path, wish: Wish, run: Run) -> None:
    """An environment that sees what this Python sees, with the wheels and this project."""
    python = environment / "bin" / "python"
    if not usable(python):
        own_pip = importlib.util.find_spec("ensurepip") is not None
        if not own_pip and importlib.util.find_spec("pip") is None:
            raise NotReadyError(f"{sys.prefix} has neither ensurepip nor pip: install its packages venv or pip.")
        venv.EnvBuilder(system_site_packages=True, with_pip=own_pip, symlinks=True, clear=True).create(environment)
        if sys.prefix != sys.base_prefix:  # an environment itself: a new one sees the Python below it, not its packages
            version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
            outer = next(path for path in map(Path, sys.path) if (path / "torch").is_dir())
            (environment / "lib" / version / "site-packages" / OUTER).write_text(f"{outer}\n")
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    step(run, [*pip, *NEEDED, "setuptools>=77,<80", "wheel"], wish, "the wheels could not be installed")
    mine = [*pip, "--no-deps", "--no-build-isolation", "--editable", str(wish.project)]
    step(run, mine, wish, "farandole could not be installed")


def usable(python: Path) -> bool:
    """Whether an earlier run came so far that pip is there."""
    if not python.exists():
        return False
    return subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def step(run: Run, command: Sequence[str], wish: Wish, failed: str) -> None:
    code = run(command, offline(os.environ, wish.wheels))
    if code:
        raise SetupError(f"{failed} (exit code {code}); {wish.into / LOG} says why. Run it again to go on.")


def offline(base: Mapping[str, str], wheels: Path) -> dict[str, str]:
    """The environment of what runs in the new environment: pip knows the archive's folder and nothing else."""
    ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    kept = {name: value for name, value in base.items() if not name.startswith("PIP_") and name not in ours}
    return kept | {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}


def teed(log: Path) -> Run:
    """Run a command with its output on the screen and in the log."""

    def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
        with log.open("a", errors="replace") as file:
            file.write(f"$ {' '.join(command)}\n")
            with subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=dict(environment),
            ) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    print(line, end="", flush=True)
                    file.write(line)
                    file.flush()
            return process.returncode

    return run


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
