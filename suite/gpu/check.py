"""Runs the steps one after another; each leaves its result in a file before the next begins."""

from __future__ import annotations

import json
import os
import shlex
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from suite.gpu.device import Device
from suite.gpu.steps import Command, NotAvailableError, Setting, Step
from suite.harness.executor import Ended, Executor, Job, Processes

Verdict = Literal["passed", "failed", "out of time", "not available"]
SAID_LINES = 15  # of a command that failed
UNKNOWN = ("unknown option of ", "No such option")  # a command of this farandole that does not know it yet


@dataclass(frozen=True)
class Check:
    """Where results go and what runs commands; a test puts something else in its place."""

    folder: Path
    device: Device
    setting: Setting
    executor: Executor = field(default_factory=Processes)
    clock: Callable[[], float] = time.monotonic
    tick: Callable[[float], None] = lambda seconds: None

    def result_of(self, step: Step) -> Path:
        return self.folder / f"{step.name}{'-cpu' if self.setting.stand_in else ''}.json"

    def done(self, step: Step) -> dict[str, Any] | None:
        """The result of an earlier check, if it is whole and the step was not cut."""
        try:
            found: dict[str, Any] = json.loads(self.result_of(step).read_text())
        except (OSError, ValueError):
            return None
        return found if found.get("verdict") == "passed" else None

    def one(self, step: Step) -> dict[str, Any]:
        """Run a step and write down how it went."""
        begin = self.clock()
        work = self.folder / self.result_of(step).stem
        work.mkdir(parents=True, exist_ok=True)
        setting = replace(self.setting, folder=work)
        verdict: Verdict = "passed"
        why, ran = "", []
        try:
            for number, command in enumerate(step.commands(setting)):
                left = step.seconds - (self.clock() - begin)
                ended = self._run(command, work, number, left)
                ran.append(
                    {"command": shlex.join(command.argv), "exit_code": ended.code, "seconds": round(ended.seconds, 2)}
                )
                verdict, why = _judged(ended, step)
                if verdict != "passed":
                    break
        except NotAvailableError as error:
            verdict, why = "not available", str(error)
        result = {
            "step": step.name,
            "question": step.question,
            "ran_on": "CPU stand-in, no GPU" if self.setting.stand_in else "; ".join(self.device.cards),
            "verdict": verdict,
            "why": why,
            "seconds": round(self.clock() - begin, 2),
            "limit_seconds": step.seconds,
            "device": self.device.as_dict(),
            "commands": ran,
            "measured": step.measured(work),
        }
        path = self.result_of(step)
        arriving = path.with_suffix(".part")
        arriving.write_text(json.dumps(result, indent=1) + "\n")
        arriving.replace(path)
        return result

    def _run(self, command: Command, work: Path, number: int, left: float) -> Ended:
        place = work / f"command-{number:02d}"
        place.mkdir(exist_ok=True)
        environment = {
            **command.environment,
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        }
        job = Job(list(command.argv), environment, place, max(left, 0.0), f"gpu-check-{uuid.uuid4()}")
        ended = self.executor(job, lambda: False, self.tick)
        (work / f"stdout-{number:02d}").write_text(ended.output)
        return ended


def _judged(ended: Ended, step: Step) -> tuple[Verdict, str]:
    if ended.how == "exited" and ended.code == 0:
        return "passed", ""
    if ended.how == "deadline":
        return "out of time", f"not done after {step.seconds:g} s"
    lines = (ended.errors.strip() or ended.output.strip()).splitlines()
    if ended.how == "exited" and ended.code == 2 and any(word in line for word in UNKNOWN for line in lines):
        return "not available", lines[-1].removeprefix("error: ").partition("; known:")[0]
    return "failed", "\n".join(lines[-SAID_LINES:]) or f"it ended with {ended.how}, code {ended.code}"
