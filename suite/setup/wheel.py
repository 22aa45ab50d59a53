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

    def wheel(self) -> Path | None:
        return next(iter(sorted(self.folder.glob("horovod-*.whl"))), None)

    def drop(self) -> None:
        for wheel in self.folder.glob("horovod-*.whl"):
            wheel.unlink()


def build(shelf: Shelf, key: BuildKey, compiler: str, environment: Mapping[str, str], python: Path) -> Path:
    """Compile Horovod's source distribution; the wheel appears in the cache only when it is whole."""
    shelf.folder.mkdir(parents=True, exist_ok=True)
    shelf.log.write_text(f"{json.dumps(asdict(key), indent=1)}\n")
    parallel = environment["MAKEFLAGS"].removeprefix("-j")
    print(f"Horovod {key.horovod} is compiled now: 3 to 10 minutes on two cores ({parallel} compilers at once).")
    print(f"  The wheel is kept in {shelf.folder}, so the next set-up needs no compiler. Log: {shelf.log}")
    display = progress.Display("Building Horovod")
    with tempfile.TemporaryDirectory(prefix="farandole-horovod-") as scratch:
        write_compiler(Path(environment["CXX"]), compiler)
        command = [str(python), "-m", "pip", "wheel", "--verbose", "--no-cache-dir"]
        command += ["--no-build-isolation", "--no-deps", "--no-binary", "horovod", "--progress-bar", "off"]
        command += ["--wheel-dir", scratch, f"horovod=={key.horovod}"]
        code = progress.run(command, log=shelf.log, display=display, step=progress.build_step, environment=environment)
        wheels = sorted(Path(scratch).glob("horovod-*.whl"))
        if code != 0 or not wheels:
            display.close("failed")
            lines = shelf.log.read_text(errors="replace").splitlines()
            raise SetupError(explanation("Horovod could not be built:", lines, str(shelf.log), code))
        arriving = shelf.folder / f".{wheels[0].name}.{os.getpid()}"
        shutil.move(wheels[0], arriving)
        arriving.rename(shelf.folder / wheels[0].name)
    display.close("done")
    return shelf.folder / wheels[0].name


def write_compiler(place: Path, compiler: str) -> None:
    """A program that CMake can take for a compiler and that runs compiler.py."""
    words = [sys.executable, "-IS", str(HERE / "compiler.py"), compiler]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    place.chmod(0o755)
