"""Running one command to its end, whatever end that is, and leaving no process behind.

The harness talks to the `Executor` protocol; tests put a scripted one in its place.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import psutil

from suite.harness.signals import ignored

TOKEN = "FARANDOLE_RUN"  # marks every process of a run, wherever horovodrun puts it
POLL_SECONDS = 0.1
EXIT_SECONDS = 20.0  # what a job gets to end once a rank has failed, or all have finished
KILL_SECONDS = 3.0


@dataclass(frozen=True)
class Job:
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path  # stdout and stderr of the command go here, beside what the ranks write
    deadline: float  # seconds from the start
    token: str


@dataclass(frozen=True)
class Ended:
    """How a command ended. `deadline`: we ended it. `lingering`: its ranks were done but the processes stayed."""

    how: Literal["exited", "deadline", "lingering", "interrupted", "unstartable"]
    code: int | None
    seconds: float
    output: str = ""
    errors: str = ""
    out_of_memory_kills: int = 0  # by the kernel, in our control group, while it ran


class Executor(Protocol):
    def __call__(self, job: Job, over: Callable[[], bool], tick: Callable[[float], None]) -> Ended:
        """Run to the end. `over()`: some rank has failed or all have finished; `tick(seconds)`: called now and then."""
        ...


@dataclass(frozen=True)
class Processes:
    """The real one."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, job: Job, over: Callable[[], bool], tick: Callable[[float], None]) -> Ended:
        start = self.clock()
        kills = out_of_memory_kills()
        output, errors = job.folder / "stdout", job.folder / "stderr"
        how: Literal["exited", "deadline", "lingering", "interrupted", "unstartable"] = "exited"
        process: subprocess.Popen[bytes] | None = None
        try:
            with output.open("wb") as out, errors.open("wb") as err:
                environment = {**os.environ, **job.environment, TOKEN: job.token}
                try:
                    process = subprocess.Popen(
                        job.command,
                        stdin=subprocess.DEVNULL,
                        stdout=out,
                        stderr=err,
                        env=environment,
                        start_new_session=True,  # a Ctrl-C in the terminal is for the harness alone
                    )
                except OSError as error:
                    why = f"{job.command[0]}: {error.strerror or error}"
                    return Ended("unstartable", None, self.clock() - start, "", why)
                how = self._wait(process, job, start, over, tick)
        except KeyboardInterrupt:
            how = "interrupted"
        finally:
            end_processes(job.token, process)
        return Ended(
            how,
            process.returncode if process else None,
            self.clock() - start,
            output.read_text(errors="replace"),
            errors.read_text(errors="replace"),
            max(0, out_of_memory_kills() - kills),
        )

    def _wait(
        self,
        process: subprocess.Popen[bytes],
        job: Job,
        start: float,
        over: Callable[[], bool],
        tick: Callable[[float], None],
    ) -> Literal["exited", "deadline", "lingering"]:
        over_since: float | None = None
        while process.poll() is None:
            now = self.clock()
            tick(now - start)
            if over_since is None and over():
                over_since = now
            if over_since is not None and now - over_since > EXIT_SECONDS:
                return "lingering"
            if now - start > job.deadline:
                return "deadline"
            self.sleep(POLL_SECONDS)
        return "exited"


def end_processes(token: str, process: subprocess.Popen[bytes] | None = None) -> int:
    """End everything marked with the token, politely and then not; how many there were. A second signal waits."""
    with ignored():
        found: set[int] = set()
        polite_until = time.monotonic() + KILL_SECONDS
        give_up = polite_until + 2 * KILL_SECONDS
        while alive := list(marked(token)):
            now = time.monotonic()
            for one in alive:
                if one.pid not in found or now > polite_until:
                    _signal(one, signal.SIGTERM if now <= polite_until else signal.SIGKILL)
                found.add(one.pid)
            if now > give_up:
                break
            if process is not None:
                process.poll()
            time.sleep(0.05)
        if process is not None:
            process.wait(KILL_SECONDS)
        return len(found)


def end_leftovers(is_ours: Callable[[str], bool]) -> int:
    """End the marked processes whose token `is_ours` claims: those of a harness that is gone."""
    tokens = {token for _, token in _marked() if is_ours(token)}
    return sum(end_processes(token) for token in tokens)


def marked(token: str) -> Iterable[psutil.Process]:
    return (process for process, found in _marked() if found == token)


def _marked() -> Iterable[tuple[psutil.Process, str]]:
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                token = process.environ().get(TOKEN)
                if token is not None:
                    yield process, token
        except (psutil.Error, OSError):
            continue


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return


def out_of_memory_kills() -> int:
    """How often the kernel has killed in our control group for want of memory; 0 where that cannot be seen."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            for line in Path(path).read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        except (OSError, ValueError):
            continue
    return 0
