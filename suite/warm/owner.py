"""Holds one warm process and says by which command one gets a copy of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.warm import client

ROOT = Path(__file__).parents[2]
END_SECONDS = 60.0  # it may still be importing, and looks up only then


@dataclass(frozen=True)
class Entrance:
    """Where whoever may use a warm process asks it for copies, its owner or not."""

    path: Path

    def command(self, module: str, *arguments: str) -> list[str]:
        """What to run in place of `python -m module arguments`."""
        return [sys.executable, "-I", "-S", client.__file__, str(self.path), module, *arguments]


class WarmPython:
    """A Python that has imported `modules` and lives as long as this object's process, or until `close`.

    Clients may ask from the first moment on: they wait until the imports are done. `environment`: what the modules are to
    find there beside the owner's own when they are imported.
    """

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.modules = tuple(modules)
        self.folder = Path(tempfile.mkdtemp(prefix="warm-"))
        self.entrance = Entrance(self.folder / "socket")
        with socket.socket(socket.AF_UNIX) as listener, (self.folder / "output").open("wb") as output:
            listener.bind(str(self.entrance.path))
            listener.listen(64)
            self.process = subprocess.Popen(
                [sys.executable, "-m", "suite.warm.zygote", str(listener.fileno()), *self.modules],
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # a Ctrl-C is its owner's business
            )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def wait(self, seconds: float | None = None) -> bool:
        """Until the imports are done, or the process has died; false where neither came within so many seconds."""
        with socket.socket(socket.AF_UNIX) as asking, contextlib.suppress(OSError):
            asking.settimeout(seconds)
            try:
                asking.connect(str(self.entrance.path))
                asking.shutdown(socket.SHUT_WR)
                asking.recv(1)  # it hangs up on who asks for nothing
            except TimeoutError:
                return False
        return True

    def command(self, module: str, *arguments: str) -> list[str]:
        return self.entrance.command(module, *arguments)

    def close(self) -> None:
        """End the process and all its copies. Safe to call twice."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
