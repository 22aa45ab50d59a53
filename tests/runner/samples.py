"""Runs files of tests/parallel/samples in a pytest of their own and reads what it says."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLES = Path(__file__).parents[1] / "parallel" / "samples"
ROOT = Path(__file__).parents[2]
MARK = "RUN_OF_SAMPLES"


@dataclass(frozen=True)
class Result:
    code: int
    text: str
    seconds: float
    mark: str

    def verdict(self, test: str) -> str:
        found = re.search(rf"::{test}\S* (PASSED|FAILED|ERROR|SKIPPED|XFAIL)", self.text)
        assert found, f"{test} was not reported:\n{self.text}"
        return found[1]

    def section(self, test: str) -> str:
        found = re.search(
            rf"^_+ (?:ERROR at setup of )?{test}\S* _+$\n(.*?)(?=^_{{5,}} |^={{5,}} )", self.text, re.M | re.S
        )
        assert found, f"no failure of {test} is shown:\n{self.text}"
        return found[1]


def command(*arguments: str) -> list[str]:
    """Of a pytest that is given these files of the samples and these options."""
    given = [str(SAMPLES / argument) if argument.endswith(".py") else argument for argument in arguments]
    return [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *given]


def run(*arguments: str) -> Result:
    begin, mark = time.monotonic(), uuid.uuid4().hex
    done = subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env={**os.environ, MARK: mark},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return Result(done.returncode, done.stdout + done.stderr, time.monotonic() - begin, mark)


def left_of(mark: str) -> list[list[str]]:
    """The command lines of what still runs of the pytest that was started with this mark, and of all that it started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                found.append(process.cmdline())
    return found
