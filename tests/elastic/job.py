"""One elastic job on this machine whose workers write journals, and whose hosts a test takes and gives."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from suite.harness.elastic import Hosts
from tests.elastic.journal import SAY_WHERE


@dataclass(frozen=True)
class Event:
    """One line of a worker's journal."""

    host: str
    process: int
    what: str
    seconds: float  # of the machine's monotonic clock, the same for all processes
    facts: Mapping[str, Any]


class ElasticJob:
    """Starts with `hosts`, one worker each; `hosts` may be set again at any time."""

    def __init__(
        self,
        argv: Sequence[str],
        hosts: Sequence[str],
        *,
        least: int,
        most: int,
        cooldown: tuple[int, int] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`least` and `most` workers; `cooldown`: so many seconds, at least and at most, before a host that lost a
        process is taken again. None: never.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="elastic-"))
        self.journal = self.folder / "journal"
        self.journal.mkdir()
        self._hosts = Hosts(self.folder, hosts)
        command = self._hosts.command(argv, least=least, most=most, cooldown=cooldown)
        self.output = self.folder / "output"
        given = {**os.environ, **(environment or {}), "ELASTIC_JOURNAL": str(self.journal)}
        given |= self._hosts.environment()
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=given, start_new_session=True
            )

    @property
    def hosts(self) -> Sequence[str]:
        return self._hosts.now

    @hosts.setter
    def hosts(self, hosts: Sequence[str]) -> None:
        self._hosts.now = hosts

    def events(self) -> list[Event]:
        """All journals so far, in the order of time."""
        found = []
        for path in self.journal.iterdir():
            name, process = path.stem.rsplit("_", 1)
            for line in path.read_text().splitlines():
                said = json.loads(line)
                found.append(Event(name, int(process), said.pop("what"), said.pop("seconds"), said))
        return sorted(found, key=lambda event: event.seconds)

    def wait_for(self, seen: Any, patience: float) -> list[Event]:
        """Until `seen(events)`, which is looked at several times a second. TimeoutError with the end of the output."""
        until = time.monotonic() + patience
        while True:
            events = self.events()
            if seen(events):
                return events
            if self.process.poll() is not None:
                raise RuntimeError(f"the job has ended with {self.process.returncode}:\n{self.tail()}")
            if time.monotonic() > until:
                raise TimeoutError(f"not within {patience} s:\n{self._where(events)}")
            time.sleep(0.1)

    def _where(self, events: Sequence[Event]) -> str:
        """What each worker last wrote down, and where the living stand."""
        now = time.monotonic()
        last = {event.process: event for event in events}
        lines = []
        for process, event in last.items():
            living = self._writes(process)
            if living:
                os.kill(process, SAY_WHERE)
            ago = now - event.seconds
            lines.append(f"{event.host} {process} {'lives' if living else 'has ended'}: {event.what} {ago:.1f} s ago")
            meetings = [seen for seen in events if seen.process == process and seen.what == "begins"]
            lines += [f"    met as {seen.facts} {now - seen.seconds:.1f} s ago" for seen in meetings]
        time.sleep(2)  # until the stacks have come through the launcher
        return "\n".join([f"hosts: {', '.join(self.hosts)}", *lines, self.tail(400)])

    def kill(self, process: int) -> float:
        """As a machine dies: no word to anyone. When that was."""
        at = time.monotonic()
        os.kill(process, signal.SIGKILL)
        return at

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.output.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        processes: Iterable[int] = {event.process for event in self.events()}
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for process in processes:
            if self._writes(process):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _writes(self, process: int) -> bool:
        """Whether this is still one of the job's workers. A copy of a warm process does not show its own environment."""
        with contextlib.suppress(psutil.Error):  # it has ended
            return any(opened.path.startswith(str(self.journal)) for opened in psutil.Process(process).open_files())
        return False
