"""One launch of `horovodrun`: the ranks of one test file, watched until each test has ended on all of them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Listener, wait
from pathlib import Path

import psutil

from suite.cluster.horovodrun import horovodrun
from suite.warm.owner import Entrance
from tests.parallel.runner.messages import Answer, Ended, Message, Ready, Started
from tests.parallel.runner.rank import output_path, stacks_path, tail_of

START_SECONDS = 180.0  # both frameworks imported on a busy two-core machine, with a wide margin
GRACE_SECONDS = 10.0  # for the other ranks to finish a test that failed on one
STOP_SECONDS = 15.0
POLL_SECONDS = 0.2
DUMP_SECONDS = 2.0
OPTIONS = ["-p", "tests.parallel.runner.rank", "-o", "addopts=", "-s", "--strict-markers", "--import-mode=importlib"]
OPTIONS += ["-p", "no:terminal", "-p", "no:cacheprovider"]


@dataclass(frozen=True)
class Lost:
    """Why a rank has no report for a test."""

    reason: str
    output: str = ""
    stacks: str = ""


@dataclass
class Outcome:
    """What each rank had to say about one test."""

    test: str
    ended: dict[int, Ended] = field(default_factory=dict)
    lost: dict[int, Lost] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return bool(self.lost) or any(r["outcome"] == "failed" for e in self.ended.values() for r in e.reports)


def shortened(stacks: str) -> str:
    """The stacks that `faulthandler` wrote without pytest's own frames and the thread that watches the parent."""
    kept = []
    for thread in stacks.split("\n\n"):
        if "in _leave_with" in thread:
            continue
        lines = thread.split("\n")
        pytest_frame = next(
            (i for i, line in enumerate(lines) if "/_pytest/" in line or "/pluggy/" in line), len(lines)
        )
        kept.append("\n".join(lines[:pytest_frame]))
    return "\n\n".join(kept)


class Job:
    def __init__(
        self,
        file: Path,
        tests: Sequence[str],
        ranks: int,
        environment: Mapping[str, str],
        root: Path,
        *,
        mpi: bool = False,
        warm: Entrance | None = None,
        device: str = "cpu",
    ) -> None:
        self.ranks = ranks
        self.folder = Path(tempfile.mkdtemp(prefix="ranks-"))
        (self.folder / "tests").write_text("\n".join(tests))
        self.connections: dict[Connection, int | None] = {}
        self.pids: dict[int, int] = {}
        self.ready: dict[int, Ready] = {}
        self._listener = Listener(str(self.folder / "socket"), backlog=ranks)
        self._arrivals: list[Connection] = []
        threading.Thread(target=self._accept, daemon=True).start()
        self.launch_log = self.folder / "horovodrun.output"
        arguments = [
            str(file),
            *OPTIONS,
            "--rank-folder",
            str(self.folder),
            "--rank-parent",
            str(os.getpid()),
            *([] if device == "cpu" else ["--device", device]),
        ]
        cold = [sys.executable, "-m", "pytest", *arguments]
        inner = cold if warm is None else warm.command("pytest", *arguments)
        command = horovodrun(ranks, [("localhost", ranks)], inner, mpi=mpi)
        with self.launch_log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=root,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started_at = time.monotonic()
        self.usable = True

    def run(self, test: str, limit: float) -> Outcome:
        """Let all ranks run `test`, which must be the next of the list, and say how it ended."""
        outcome = Outcome(test)
        if not self._everyone_ready(outcome):
            return outcome
        begin = time.monotonic()
        running: set[int] = set()
        deadline, reason = begin + limit, f"still running after {limit:g} s"
        self._send(Answer.GO)
        while len(outcome.ended) < self.ranks:
            for message in self._messages(outcome, deadline):
                match message:
                    case Started():
                        running.add(message.rank)
                    case Ended():
                        outcome.ended[message.rank] = message
            if outcome.lost:
                self._abandon(outcome, "ended because another rank died")
                break
            if outcome.failed and len(outcome.ended) < self.ranks and deadline > time.monotonic() + GRACE_SECONDS:
                deadline = time.monotonic() + GRACE_SECONDS
                reason = f"still running {GRACE_SECONDS:g} s after the test had failed on rank {min(outcome.ended)}"
            if time.monotonic() >= deadline:
                self._abandon(outcome, reason)
                break
        outcome.seconds = time.monotonic() - begin
        if outcome.failed:
            self.close()  # collectives of a failed test may still be in flight: the next test gets fresh ranks
        return outcome

    def close(self) -> None:
        """End the ranks: politely when they are between tests, else at once. Safe to call twice."""
        if self.usable and len(self.ready) == self.ranks:
            self._send(Answer.STOP)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        self._kill()
        if self.usable:
            self.usable = False
            for connection in [*self.connections, *self._arrivals]:
                connection.close()
            self._listener.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            for _ in range(self.ranks):
                self._arrivals.append(self._listener.accept())

    def _everyone_ready(self, outcome: Outcome) -> bool:
        deadline = self.started_at + START_SECONDS
        while len(self.ready) < self.ranks and not outcome.lost:
            for message in self._messages(outcome, deadline):
                if isinstance(message, Ready):
                    self.ready[message.rank] = message
            if time.monotonic() > deadline:
                self._abandon(outcome, f"not ready {START_SECONDS:g} s after the launch")
        if not outcome.lost:
            for rank, ready in self.ready.items():
                if ready.missing:
                    reason = "could not import the test file" if ready.problem else "does not know the test"
                    outcome.lost[rank] = Lost(reason, self._output(rank), ready.problem or "\n".join(ready.missing))
        if outcome.lost:
            self._abandon(outcome, "ended because another rank did not start")
            self.close()
        return not outcome.lost

    def _messages(self, outcome: Outcome, deadline: float) -> list[Message]:
        """What arrived within one poll; ranks that died meanwhile are entered in `outcome.lost`."""
        while self._arrivals:
            self.connections[self._arrivals.pop()] = None
        patience = max(0.0, min(POLL_SECONDS, deadline - time.monotonic()))
        messages: list[Message] = []
        closed: list[int | None] = []
        if not self.connections:
            time.sleep(min(patience, 0.05))
        for connection in wait(list(self.connections), patience):
            assert isinstance(connection, Connection)
            try:
                message: Message = connection.recv()
            except (EOFError, OSError):
                closed.append(self.connections.pop(connection))
                continue
            if isinstance(message, Ready):
                self.connections[connection] = message.rank
                self.pids[message.rank] = message.pid
            messages.append(message)
        for rank in closed:
            if rank is not None and rank not in outcome.ended:
                outcome.lost[rank] = Lost(f"died ({self._exit_of(rank)})", self._output(rank))
        if self.process.poll() is not None and not messages and not outcome.lost:
            for rank in range(self.ranks):
                if rank not in outcome.ended:
                    outcome.lost[rank] = Lost(f"did not start ({self._exit_of(rank)})", self._output(rank))
        return messages

    def _send(self, answer: Answer) -> None:
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.send(answer)

    def _abandon(self, outcome: Outcome, reason: str) -> None:
        """Enter the ranks that have said nothing as lost, with their stacks, and kill the job."""
        silent = [rank for rank in range(self.ranks) if rank not in outcome.ended and rank not in outcome.lost]
        for rank in silent:
            if rank in self.pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pids[rank], signal.SIGUSR1)
        deadline = time.monotonic() + DUMP_SECONDS
        while silent and time.monotonic() < deadline and not all(tail_of(stacks_path(self.folder, r)) for r in silent):
            time.sleep(0.05)
        for rank in silent:
            outcome.lost[rank] = Lost(reason, self._output(rank), shortened(tail_of(stacks_path(self.folder, rank))))
        self._kill()

    def _output(self, rank: int) -> str:
        if rank in self.pids:
            return tail_of(output_path(self.folder, rank))
        return tail_of(output_path(self.folder, rank)) + tail_of(self.launch_log)

    def _exit_of(self, rank: int) -> str:
        """How a rank ended, in horovodrun's words, once it has said so."""
        deadline = time.monotonic() + DUMP_SECONDS
        while time.monotonic() < deadline:
            found = re.search(rf"Process {rank} exit with status code (\d+)", tail_of(self.launch_log))
            if found:
                code = int(found[1])
                return f"signal {signal.Signals(code - 128).name}" if 128 < code < 128 + 65 else f"exit code {code}"
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        return f"horovodrun's exit code {self.process.poll()}"

    def _kill(self) -> None:
        """End every process of this job: the whole tree below horovodrun, then horovodrun."""
        family: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            launcher = psutil.Process(self.process.pid)
            family = [*launcher.children(recursive=True), launcher]
        for pid in self.pids.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                own = psutil.Process(pid)
                if own.create_time() > psutil.Process().create_time():
                    family += [own, *own.children(recursive=True)]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family, timeout=STOP_SECONDS)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
