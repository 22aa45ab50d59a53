"""Shows how far a long command is, from what it prints; the full text goes to a log file."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

PERCENT = re.compile(r"\[\s*(\d{1,3})%\]")
SOURCE = re.compile(r"Building (?:CXX|CUDA) object .*?([\w.-]+)\.o\b")
PACKAGE = re.compile(r"^\s*(?:Collecting|Downloading|Using cached|Processing)\s+(\S+)")
QUIET_SECONDS = 20.0  # between two lines where there is no terminal


def build_percent(line: str) -> int | None:
    """How much of the build CMake says is done, if this line says so."""
    found = PERCENT.search(line)
    return min(100, int(found[1])) if found else None


def build_step(line: str) -> str | None:
    """What a line of the build's log says about the progress, in a few words."""
    percent = build_percent(line)
    if percent is None:
        return None
    source = SOURCE.search(line)
    return f"{percent:3d} %" + (f"  {source[1]}" if source else "")


def install_step(line: str) -> str | None:
    if line.startswith("Installing collected packages:"):
        return "unpacking"
    found = PACKAGE.match(line)
    return found[1].rsplit("/", 1)[-1].split(";")[0][:60] if found else None


class Display:
    """One line that is rewritten on a terminal, and a line now and then elsewhere."""

    def __init__(self, title: str, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.title, self.out, self.clock = title, out or sys.stdout, clock
        self.begin = clock()
        self.last = self.begin - QUIET_SECONDS
        self.step = ""

    def show(self, step: str | None = None) -> None:
        self.step = step or self.step
        seconds = int(self.clock() - self.begin)
        text = f"{self.title}  {seconds // 60}:{seconds % 60:02d}  {self.step}".rstrip()
        if self.out.isatty():
            self.out.write(f"\r\033[K{text[:110]}")
        elif self.clock() - self.last >= QUIET_SECONDS:
            self.last = self.clock()
            self.out.write(f"{text}\n")
        self.out.flush()

    def close(self, verdict: str) -> None:
        seconds = int(self.clock() - self.begin)
        start = "\r\033[K" if self.out.isatty() else ""
        self.out.write(f"{start}{self.title}  {seconds // 60}:{seconds % 60:02d}  {verdict}\n")
        self.out.flush()


def run(
    command: Sequence[str],
    *,
    log: Path,
    display: Display,
    step: Callable[[str], str | None],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> int:
    """Run a command with its output in `log` (appended), showing what `step` makes of its lines. The exit code."""
    with log.open("a", errors="replace") as file:
        file.write(f"$ {' '.join(map(str, command))}\n")
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=dict(environment) if environment is not None else None,
            cwd=folder,
        )
        assert process.stdout is not None
        over = threading.Event()
        threading.Thread(target=_tick, args=(display, over), daemon=True).start()
        try:
            for line in process.stdout:
                file.write(line)
                display.show(step(line))
            return process.wait()
        finally:
            over.set()
            if process.poll() is None:
                process.terminate()
                process.wait()


def _tick(display: Display, over: threading.Event) -> None:
    """Keep the seconds running while the command says nothing."""
    while not over.wait(1.0):
        display.show()
