"""The Horovod wheel: taken from the user's cache, or built into it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from suite.setup import progress
from suite.setup.failure import explanation
from suite.setup.recipe import HERE, BuildKey


class SetupError(Exception):
    """Set-up cannot go on; the message is for the user."""


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where built wheels are kept, by the rules of freedesktop.org."""
    base = environment.get("XDG_CACHE_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path(environment.get("HOME") or Path.home()) / ".cache"
    return root / "farandole" / "horovod"


@dataclass(frozen=True)
class Shelf:
    """The place of one build in the cache."""

    folder: Path

    @classmethod
    def of(cls, key: BuildKey, environment: Mapping[str, str]) -> Shelf:
        return cls(cache_folder(environment) / key.digest())

    @property
    def log(self) -> Path:
        return self.folder / "build.log"

    @property
    def tools(self) -> Path:
        """What stands between the build and its compiler, at the same place when an interrupted build goes on."""
        return self.folder / "tools"

    @property
    def source(self) -> Path:
        """Horovod's source with what is compiled of it; gone when the build is over."""
        return self.folder / "source"

    def wheel(self) -> Path | None:
        return next(iter(sorted(self.folder.glob("horovod-*.whl"))), None)

    def drop(self) -> None:
        for wheel in self.folder.glob("horovod-*.whl"):
            wheel.unlink()


def build(shelf: Shelf, key: BuildKey, compiler: str, environment: Mapping[str, str], python: Path) -> Path:
    """Compile Horovod's source distribution; the wheel appears in the cache only when it is whole.

    A build that was cut goes on where it was. One that failed is forgotten: CMake would remember what it did not find.
    """
    shelf.folder.mkdir(parents=True, exist_ok=True)
    shelf.log.write_text(f"{json.dumps(asdict(key), indent=1)}\n")
    parallel = environment["MAKEFLAGS"].removeprefix("-j")
    goes_on = "goes on being compiled" if shelf.source.exists() else "is compiled"
    print(f"Horovod {key.horovod} {goes_on} now: 3 to 10 minutes on two cores ({parallel} compilers at once).")
    print(f"  The wheel is kept in {shelf.folder}, so the next set-up needs no compiler. Log: {shelf.log}", flush=True)
    display = progress.Display("Building Horovod")
    pip = _Pip(python, environment, shelf.log, display)
    write_compiler(Path(environment["CXX"]), compiler)
    code = 0 if shelf.source.exists() else _fetch(shelf, key, pip)
    with tempfile.TemporaryDirectory(prefix="farandole-horovod-") as scratch:
        code = code or pip.run("wheel", "--no-build-isolation", "--wheel-dir", scratch, str(shelf.source))
        wheels = sorted(Path(scratch).glob("horovod-*.whl"))
        if code == 0 and wheels:
            arriving = shelf.folder / f".{wheels[0].name}.{os.getpid()}"
            shutil.move(wheels[0], arriving)
            arriving.rename(shelf.folder / wheels[0].name)
    shutil.rmtree(shelf.source, ignore_errors=True)
    shutil.rmtree(shelf.tools, ignore_errors=True)
    if code != 0 or not wheels:
        display.close("failed")
        lines = shelf.log.read_text(errors="replace").splitlines()
        raise SetupError(explanation("Horovod could not be built:", lines, str(shelf.log), code))
    display.close("done")
    return shelf.folder / wheels[0].name


@dataclass(frozen=True)
class _Pip:
    python: Path
    environment: Mapping[str, str]
    log: Path
    display: progress.Display

    def run(self, action: str, *arguments: str) -> int:
        command = [str(self.python), "-m", "pip", action, "--verbose", "--no-cache-dir", "--no-deps"]
        command += ["--progress-bar", "off", *arguments]
        return progress.run(
            command, log=self.log, display=self.display, step=progress.build_step, environment=self.environment
        )


def _fetch(shelf: Shelf, key: BuildKey, pip: _Pip) -> int:
    """Bring the source, from wherever pip is told to look; it is there only when it is whole."""
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=shelf.folder) as scratch:
        wanted = ("--no-binary", "horovod", "--no-build-isolation", f"horovod=={key.horovod}")
        code = pip.run("download", "--dest", scratch, *wanted)
        for archive in sorted(Path(scratch).glob("horovod-*.tar.gz")):
            shutil.unpack_archive(archive, scratch)
            (Path(scratch) / archive.name.removesuffix(".tar.gz")).rename(shelf.source)
    return code


def write_compiler(place: Path, compiler: str) -> None:
    """A program that CMake can take for a compiler and that runs compiler.py."""
    words = [sys.executable, "-IS", str(HERE / "compiler.py"), compiler]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    place.chmod(0o755)
