"""The virtual environment: made, filled from the lock, looked into."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.setup import progress, recipe
from suite.setup.failure import explanation
from suite.setup.wheel import SetupError


@dataclass(frozen=True)
class Environment:
    folder: Path
    log: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def create(self) -> None:
        """Make it, anew when it is another Python's or was moved here (paths inside are absolute)."""
        if self.python.exists() and not self._usable():
            print(f"{self.folder} belongs to another Python or place and is made anew.")
            shutil.rmtree(self.folder)
        if not self.python.exists():
            venv.EnvBuilder(with_pip=True, symlinks=True).create(self.folder)

    def _usable(self) -> bool:
        settings = self.folder / "pyvenv.cfg"
        text = settings.read_text() if settings.exists() else ""
        version = re.search(r"^version\s*=\s*(\d+\.\d+)", text, re.MULTILINE)
        same_python = bool(version) and version[1] == f"{sys.version_info[0]}.{sys.version_info[1]}"  # type: ignore[index]
        script = self.folder / "bin" / "pip"
        return same_python and script.exists() and str(self.folder) in script.read_text(errors="replace")[:300]

    def pip(self, title: str, *arguments: str) -> None:
        """Run pip with its output in the log; what went wrong is shown."""
        display = progress.Display(title)
        start = self.log.stat().st_size if self.log.exists() else 0
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
        code = progress.run(command, log=self.log, display=display, step=progress.install_step)
        display.close("done" if code == 0 else "failed")
        if code != 0:
            lines = self.log.read_text(errors="replace")[start:].splitlines()
            raise SetupError(explanation(f"{title} failed:", lines, str(self.log), code))

    def install(self, title: str, requirements: str, *options: str) -> None:
        """Install exactly these lines: a lock is complete, so nothing is resolved."""
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(requirements)
            file.flush()
            # Compiling every module takes as long as the rest; `install.WARM` compiles those that runs import.
            self.pip(title, "install", "--no-deps", "--no-compile", "--progress-bar", "off", *options, "-r", file.name)

    def site_packages(self) -> Path:
        return self.folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"

    def torch_version(self) -> tuple[str, str | None]:
        """The installed torch and the CUDA it is built for, read from its files: importing takes seconds."""
        return torch_version(self.site_packages() / "torch")

    def answers(self, *arguments: str) -> tuple[bool, str]:
        """Whether a command of this environment succeeds, and what it said."""
        done = subprocess.run(
            [str(self.python), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**writing_bytecode(os.environ), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        return done.returncode == 0, done.stdout + done.stderr


def torch_version(folder: Path) -> tuple[str, str | None]:
    text = (folder / "version.py").read_text()
    version = re.search(r"__version__ = ['\"]([^'\"]+)", text)
    cuda = re.search(r"^cuda(?:: \S+ ?\| ?None|: Optional\[str\])? = ['\"]([^'\"]+)", text, re.MULTILINE)
    return (version[1] if version else "unknown"), (cuda[1] if cuda else None)


def writing_bytecode(environment: Mapping[str, str]) -> dict[str, str]:
    """Without the wish of many container images to keep no compiled modules, which pip does not heed either: every rank
    of every run would compile TensorFlow again, seven seconds of a core."""
    return {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu_torch_options() -> Sequence[str]:
    """Where pip looks for the CPU build of torch besides its own configuration; a short wait when it is not reachable."""
    return ("--extra-index-url", recipe.CPU_TORCH_INDEX, "--retries", "1")
