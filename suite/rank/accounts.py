"""What a rank accounts for at its end: parameters, counters, what it spent."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass

import psutil

from suite.disturbance.watch import Watch
from suite.experiment.live import Live
from suite.rank.resident import ResidentPeak
from suite.rank.samples import RankWriter
from suite.rank.side import Built
from suite.record.rank import Telemetry
from suite.record.specification import Specification


@dataclass(frozen=True)
class Spent:
    """CPU time of this process; bytes sent by the host, where they could have left it."""

    cpu_seconds: float
    interface_bytes: int | None

    @staticmethod
    def now(specification: Specification) -> Spent:
        sent = None
        if specification.network.wired:
            cards = psutil.net_io_counters(pernic=True, nowrap=False)
            sent = sum(card.bytes_sent for name, card in cards.items() if name != "lo")
        return Spent(time.process_time(), sent)

    def __sub__(self, earlier: Spent) -> Spent:
        known = self.interface_bytes is not None and earlier.interface_bytes is not None
        sent = (self.interface_bytes or 0) - (earlier.interface_bytes or 0) if known else None
        return Spent(self.cpu_seconds - earlier.cpu_seconds, sent)


class Account:
    """What a rank spends while it trains, and what happens around it: from when it first begins until the end."""

    def __init__(self, specification: Specification, writer: RankWriter, *, leads: bool) -> None:
        self.peak = ResidentPeak()
        self._specification, self._writer = specification, writer
        self._watch = Watch(leads=leads)
        self._before: Spent | None = None

    def begin(self) -> None:
        if self._before is None:
            self._writer.event("start", time=time.time())
            self._before = Spent.now(self._specification)
            self._watch.start()

    def end(self) -> Spent:
        assert self._before is not None
        spent = Spent.now(self._specification) - self._before
        self._writer.event("surroundings", **self._watch.stop())
        return spent


def digest(built: Built) -> str:
    """sha256 over all parameters, by name."""
    found = hashlib.sha256()
    for name, value in sorted(built.session.parameters().items()):
        found.update(name.encode())
        found.update(value.tobytes())
    return found.hexdigest()


def telemetry(built: Built, live: Live, size: int) -> Telemetry:
    """What was counted, beside what the algorithm declares."""
    if built.telemetry is None:
        return Telemetry()
    counted = asdict(built.telemetry())
    declared = getattr(live.algorithm, "bytes_per_exchange", None)
    counted["contributions_used"] = counted.pop("used")
    counted["contributions_dropped"] = counted.pop("dropped")
    counted["contributions_given_up"] = counted.pop("given_up")
    travels = counted["bytes_per_exchange"] or built.parameter_bytes
    counted["bytes_per_exchange_declared"] = None if declared is None else declared(size, travels)
    known = {key: counted.pop(key) for key in tuple(counted) if key in Telemetry.model_fields}
    return Telemetry.model_validate(known | {"other": counted})
