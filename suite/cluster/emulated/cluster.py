"""`Emulated`: the cluster whose hosts are network namespaces of this machine."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from suite.cluster import presets
from suite.cluster.contract import ClusterError, ClusterFacts, ClusterUnavailableError, Counters
from suite.cluster.emulated import doors, leftovers, linux, naming, shaping
from suite.cluster.emulated.specification import TOLERANCE, Specification
from suite.cluster.horovodrun import horovodrun
from suite.cluster.local import crowded
from suite.record.part import Kind

_numbers = itertools.count()
_START_SECONDS = 60.0  # far beyond the longest series of measurements


@dataclass
class _Running:
    process: subprocess.Popen[str]
    folder: Path
    doors: tuple[doors.Door, ...]
    enter: Path
    report: dict[str, Any]


@dataclass
class Emulated:
    """`hosts` namespaces, each with an eth0 that carries `rate_mbit` both ways.

    The rate is that of the link as `tbf` counts it, Ethernet headers included, so TCP gets 95.6 % of it; None leaves
    the link unshaped. A preset gives its own rate times `scale`. Delay (one way) and loss need a kernel with netem
    and are refused without it. Ranks are spread evenly, at most `slots` on a host.
    """

    hosts: int = 2
    rate_mbit: float | None = None
    delay_ms: float = 0.0
    loss: float = 0.0
    slots: int = 1
    preset: str | None = None
    scale: float | None = None
    kind: Kind = field(default="emulated", init=False)
    _running: _Running | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.preset is not None:
            self._take_preset(self.preset)
        elif self.scale is not None:
            raise ValueError(f"scale is {self.scale:g}, but there is no preset to scale")
        _within("hosts", self.hosts, 1, naming.MAX_HOSTS)
        _within("slots", self.slots, 1, 64)
        if self.rate_mbit is not None:
            _within("rate_mbit", self.rate_mbit, shaping.MIN_RATE_MBIT, shaping.MAX_RATE_MBIT)
        _within("delay_ms", self.delay_ms, 0, 10_000)
        _within("loss", self.loss, 0, 0.5)

    def _take_preset(self, preset: str) -> None:
        self.scale = presets.SCALE if self.scale is None else self.scale
        rate = presets.find(preset).rate_mbit(self.scale)
        if self.rate_mbit is not None and not math.isclose(self.rate_mbit, rate):
            raise ValueError(f"rate_mbit is {self.rate_mbit:g}, but {preset} scaled by {self.scale:g} is {rate:g}")
        self.rate_mbit = rate

    @property
    def name(self) -> str:
        rate = "unshaped" if self.rate_mbit is None else f"{self.rate_mbit:g} Mbit/s"
        if self.preset:
            rate = f"{self.preset} scaled by {self.scale:g} ({rate})"
        extra = [f"{self.delay_ms:g} ms"] * bool(self.delay_ms) + [f"{self.loss:.3%} loss"] * bool(self.loss)
        return ", ".join([f"{self.hosts} emulated hosts, {rate}", *extra])

    def __enter__(self) -> Self:
        if self._running:
            raise ClusterError("this emulated cluster is already up; make a second one")
        if sys.platform != "linux" or not shutil.which("nsenter"):
            raise ClusterUnavailableError("emulated hosts need Linux and nsenter (util-linux)")
        leftovers.remove_leftovers()
        folder = leftovers.home() / leftovers.name_for(linux.Owner.this_process(), next(_numbers))
        folder.mkdir(mode=0o700)
        process: subprocess.Popen[str] | None = None
        try:
            (folder / "hosts").write_text(naming.hosts_file(self.hosts))
            process = self._start_keeper(folder)
            report = _hear(process, folder)
            opened = tuple(
                doors.Door(
                    name=naming.name(i),
                    address=seen["address"],
                    pid=seen["pid"],
                    network_namespace=seen["network_namespace"],
                )
                for i, seen in enumerate(report["hosts"])
            )
            enter = doors.write(folder, opened, user_namespace=report["privilege"] == "user namespace")
            self._refuse_a_wrong_rate(report)
            self._running = _Running(process, folder, opened, enter, report)
        except BaseException:
            if process:
                process.terminate()  # it may be in the middle of a measurement
                _end(process)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running, self._running = self._running, None
        if running:
            _end(running.process)
            shutil.rmtree(running.folder, ignore_errors=True)

    def command(self, ranks: int, argv: Sequence[str], *, mpi: bool = False) -> list[str]:
        running = self._up()
        _within("ranks", ranks, 1, self.hosts * self.slots)
        each = -(-ranks // self.hosts)
        places = [(door.address, each) for door in running.doors[: -(-ranks // each)]]
        # The cache is keyed by host names, and every emulated cluster has the same ones.
        return self.enter(horovodrun(ranks, places, argv, ["--disable-cache"], interfaces=["eth0"], mpi=mpi))

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` once, on the first host."""
        return [str(self._up().enter), *argv]

    def environment(self) -> dict[str, str]:
        """Nothing: the command's first word sets PATH and the mark, for the command alone."""
        return {}

    def facts(self) -> ClusterFacts:
        asked = {
            "rate_mbit": self.rate_mbit,
            "delay_ms": self.delay_ms,
            "loss": self.loss,
            "preset": self.preset,
            "scale": self.scale,
        }
        in_force: dict[str, Any] = {}
        if self._running:
            report = self._running.report
            attempts, shaped = report["goodput_mbit"], self.rate_mbit is not None
            in_force = {
                "goodput_mbit": min(attempts[-1]) if attempts else None,
                "wire_rate_mbit": round(min(attempts[-1]) / shaping.GOODPUT_SHARE, 2) if attempts and shaped else None,
                "goodput_expected_mbit": self._specification(self._running.folder).goodput_mbit,
                "goodput_attempts_mbit": attempts,
                "qdiscs": report["qdiscs"],
                "burst_bytes": report["burst_bytes"] if shaped else None,
                "mtu": shaping.MTU,
                "congestion_control": report["congestion_control"],
                "delay_ms": self.delay_ms,
                "loss": self.loss,
                "privilege": report["privilege"],
            }
        return ClusterFacts(
            name=self.name,
            kind=self.kind,
            hosts=self.hosts,
            slots=self.slots,
            asked=asked,
            in_force=in_force,
            warnings=crowded(self.hosts * self.slots),
        )

    def counters(self) -> tuple[Counters, ...]:
        return tuple(_read_counters(door) for door in self._up().doors)

    def _up(self) -> _Running:
        if not self._running:
            raise ClusterError("the emulated cluster is not up; use it inside its `with` block")
        if self._running.process.poll() is not None:
            raise ClusterError("the keeper of the emulated hosts died; the hosts are gone")
        return self._running

    def _specification(self, folder: Path) -> Specification:
        owner = linux.Owner.this_process()
        return Specification(
            owner=(owner.pid, owner.started, owner.pid_namespace),
            folder=str(folder),
            hosts=self.hosts,
            rate_mbit=self.rate_mbit,
            delay_ms=self.delay_ms,
            loss=self.loss,
        )

    def _start_keeper(self, folder: Path) -> subprocess.Popen[str]:
        root = str(Path(__file__).parents[3])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        with (folder / "keeper.log").open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "suite.cluster.emulated.keeper", self._specification(folder).as_argument()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env={**os.environ, leftovers.MARK: folder.name, "PYTHONPATH": path},
            )

    def _refuse_a_wrong_rate(self, report: dict[str, Any]) -> None:
        attempts = report["goodput_mbit"]
        specification = self._specification(Path())
        expected = specification.goodput_mbit
        if expected is None or not attempts or all(map(specification.delivers, attempts[-1])):
            return
        worst = max(attempts[-1], key=lambda rate: abs(rate - expected))
        raise ClusterError(
            f"asked for {self.rate_mbit:g} Mbit/s, which is {expected:g} Mbit/s of TCP payload, but a host measured "
            f"{worst:g} in the last of {len(attempts)} attempts: more than {TOLERANCE:.0%} off. "
            "Ask for a lower rate or fewer hosts, or free the machine"
        )


def _hear(process: subprocess.Popen[str], folder: Path) -> dict[str, Any]:
    """The keeper's one line: what it built, or why it could not."""
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
    line = process.stdout.readline() if ready else ""
    if not line:
        last = (folder / "keeper.log").read_text().strip().splitlines()[-1:] or ["no message"]
        raise ClusterError(f"the emulated hosts could not be made: {last[0]}")
    report: dict[str, Any] = json.loads(line)
    if "error" in report:
        raise (ClusterUnavailableError if report["unavailable"] else ClusterError)(str(report["error"]))
    return report


def _within(what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{what} is {value}, must be between {low:g} and {high:g}")


def _end(process: subprocess.Popen[str]) -> None:
    """Closing its input tells the keeper to take the hosts down; it is killed only if it does not."""
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read_counters(door: doors.Door) -> Counters:
    if linux.network_namespace(door.pid) != door.network_namespace:
        raise ClusterError(f"emulated {door.name} is gone")
    for line in Path(f"/proc/{door.pid}/net/dev").read_text().splitlines():
        card, _, numbers = line.partition(":")
        if card.strip() == "eth0":
            values = [int(number) for number in numbers.split()]
            return Counters(
                received_bytes=values[0], received_packets=values[1], sent_bytes=values[8], sent_packets=values[9]
            )
    raise ClusterError(f"emulated {door.name} has no eth0")
