"""Elastic jobs on this machine, whose hosts come and go: an address of the loopback for each, and a script that lists them.

`horovodrun --host-discovery-script` takes the whole host of a process that died off its list, so that each worker has a
host of its own. Hosts other than this one are reached by `ssh`, which stands first in the job's PATH and is a script that
runs the command here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.cluster.horovodrun import elastic_horovodrun
from suite.cluster.ssh import FIND_HOST
from suite.harness.progress import Progress
from suite.record.faults import Fault, Kind
from suite.record.specification import Specification

# How long workers wait for one who does not answer; Horovod's own default is 30 s. So late the last survivor notices a loss
# (those whose connections were closed notice at once), and too short a time takes a worker for lost that a busy machine has
# held up. Those who are there wait as long for one who joins, who has to import a framework first.
GLOO_TIMEOUT_SECONDS: Mapping[Kind, int] = {"kill": 20, "leave": 20, "join": 120}
ELASTIC_TIMEOUT_SECONDS = 120  # for hosts to be there, and to come back
# Every host is this machine.
SSH = f"""{FIND_HOST}exec /bin/sh -c "$*"
"""


def host(number: int) -> str:
    """127.0.0.1 is the machine itself, to which horovodrun needs no ssh: numbers from 2 are hosts of their own."""
    return f"127.0.0.{number}"


class Hosts:
    """A folder with the scripts, and the list of hosts of one worker each, which may be set again at any time."""

    def __init__(self, folder: Path, hosts: Sequence[str]) -> None:
        self.folder = folder
        self._script("ssh", SSH)
        self._script("discover", f"#!/bin/sh\ncat '{folder / 'hosts'}'\n")
        self.now = hosts

    def _script(self, name: str, text: str) -> None:
        script = self.folder / name
        script.write_text(text)
        script.chmod(0o755)

    @property
    def now(self) -> Sequence[str]:
        return self._now

    @now.setter
    def now(self, hosts: Sequence[str]) -> None:
        """What the discovery script will say: as a whole, never half a list."""
        self._now = hosts
        fresh = self.folder / "hosts.new"
        fresh.write_text("".join(f"{name}:1\n" for name in hosts))
        fresh.replace(self.folder / "hosts")

    def command(
        self, argv: Sequence[str], *, least: int, most: int, cooldown: tuple[int, int] | None = None
    ) -> list[str]:
        """`least` and `most` workers; `cooldown`: so many seconds, at least and at most, before a host that lost a
        process is taken again. None: never.
        """
        options = ["--host-discovery-script", str(self.folder / "discover"), "--network-interfaces", "lo"]
        options += ["--min-np", str(least), "--max-np", str(most), "--elastic-timeout", str(ELASTIC_TIMEOUT_SECONDS)]
        if cooldown is not None:
            options += ["--blacklist-cooldown-range", *map(str, cooldown)]
        return elastic_horovodrun(min(len(self._now), most), options, argv)

    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.folder}:{os.environ['PATH']}"}


@dataclass(frozen=True)
class Staged:
    """The hosts of a run with a fault. Who is to be killed does it itself; hosts come and go here."""

    fault: Fault
    workers: int
    hosts: Hosts
    spare: str

    @classmethod
    def of(cls, specification: Specification, folder: Path) -> Staged | None:
        """None where no fault is asked for."""
        fault = specification.fault
        if fault is None:
            return None
        *hosts, spare = (host(2 + number) for number in range(specification.workers + 1))
        return cls(fault, specification.workers, Hosts(folder.resolve(), hosts), spare)

    def command(self, argv: Sequence[str]) -> list[str]:
        return self.hosts.command(
            argv, least=min(self.workers, self._left), most=max(self.workers, self._left), cooldown=None
        )

    def environment(self) -> dict[str, str]:
        return {**self.hosts.environment(), "HOROVOD_GLOO_TIMEOUT_SECONDS": str(GLOO_TIMEOUT_SECONDS[self.fault.kind])}

    def watching(self, watch: Callable[[Progress, float], None]) -> Callable[[Progress, float], None]:
        """A look at the progress, which is passed on: hosts come or go once the fault is due."""

        def look(progress: Progress, seconds: float) -> None:
            if progress.fault is not None:
                self._happens(progress.fault)
            watch(progress, seconds)

        return look

    def _happens(self, at: str) -> None:
        """Horovod numbers ranks in an order of its own, so that only the worker itself knows its host."""
        now = self.hosts.now
        if self.fault.kind == "leave" and at in now:
            self.hosts.now = [name for name in now if name != at]
        elif self.fault.kind == "join" and self.spare not in now:
            self.hosts.now = [*now, self.spare]

    @property
    def _left(self) -> int:
        return len(self.fault.staying(self.workers))
