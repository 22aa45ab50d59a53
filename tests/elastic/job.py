"""One elastic job on this machine: a host for each address of the loopback, a discovery script that reads a file.

`horovodrun --host-discovery-script` takes the whole host of a process that died off its list, so that each worker here
has a host of its own. Hosts other than this one are reached by `ssh`, which stands first in the job's PATH and is a
script that runs the command here.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from suite.cluster import horovodrun

# The name comes behind ssh's own options, and some more may follow; the rest is one line for the remote shell.
SSH = """\
#!/bin/sh
host=
while [ $# -gt 0 ]; do
  case "$1" in
    -o|-p|-i|-l|-F) shift 2 ;;
    -*) shift ;;
    *) if [ -z "$host" ]; then host=$1; shift; else break; fi ;;
  esac
done
exec /bin/sh -c "$*"
"""


@dataclass(frozen=True)
class Event:
    """One line of a worker's journal."""

    host: str
    process: int
    what: str
    seconds: float  # of the machine's monotonic clock, the same for all processes
    facts: Mapping[str, Any]


def host(number: int) -> str:
    return f"127.0.0.{number}"


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
        self._script("ssh", SSH)
        self._script("discover", f"#!/bin/sh\ncat {self.folder / 'hosts'}\n")
        self.hosts = hosts
        options = ["--host-discovery-script", str(self.folder / "discover"), "--network-interfaces", "lo"]
        options += ["--min-np", str(least), "--max-np", str(most), "--elastic-timeout", "60"]
        if cooldown is not None:
            options += ["--blacklist-cooldown-range", *map(str, cooldown)]
        command = [
            sys.executable,
            "-P",
            horovodrun.__file__,
            "--gloo",
            "-np",
            str(min(len(hosts), most)),
            *options,
            *argv,
        ]
        self.output = self.folder / "output"
        given = {**os.environ, **(environment or {}), "ELASTIC_JOURNAL": str(self.journal)}
        given["PATH"] = f"{self.folder}:{given['PATH']}"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=given, start_new_session=True
            )

    def _script(self, name: str, text: str) -> None:
        script = self.folder / name
        script.write_text(text)
        script.chmod(0o755)

    @property
    def hosts(self) -> Sequence[str]:
        return self._hosts

    @hosts.setter
    def hosts(self, hosts: Sequence[str]) -> None:
        """What the discovery script will say: as a whole, never half a list."""
        self._hosts = hosts
        fresh = self.folder / "hosts.new"
        fresh.write_text("".join(f"{name}:1\n" for name in hosts))
        fresh.replace(self.folder / "hosts")

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
                raise TimeoutError(f"not within {patience} s:\n{self.tail()}")
            time.sleep(0.1)

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
        for process in processes:  # its own workers alone: they wrote the journals
            command = Path(f"/proc/{process}/environ")
            if command.exists() and str(self.journal).encode() in command.read_bytes():
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
