"""Stragglers as text: `kind:key=value,key=value`.

    constant:factor=3,rank=1              rank 1 takes three times as long to compute
    exponential:mean=50ms                 every rank, every step: 50 ms on average
    lognormal:sigma=1,mean=0.5x,rank=0+2  ranks 0 and 2: half of their compute time on average
    pareto:alpha=1.5,mean=20ms            heavy tail
    bimodal:probability=0.05,slow=2s      2 s in one step out of 20
    pause:every=50,length=1s              1 s in every 50th step
    trace:file=delays.csv                 a line per step, a column per rank
    quota:cores=0.5,rank=1                rank 1 gets half a core (Linux control groups)

Times are `0.2s`, `50ms` or `0.5x` (times the step's own compute); a bare number is seconds. Every kind takes `rank`
(default: all; several with +). The random kinds take `correlation` (between ranks) and `persistence` (between steps)
from 0 to below 1; all that sleep take `limit` (20s), beyond which a single delay is cut off, and counted as such.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from algorithms.mechanisms.suggest import did_you_mean
from suite.cluster.stragglers.distributions import Bimodal, Distribution, Exponential, Lognormal, Pareto
from suite.cluster.stragglers.processes import Constant, PeriodicPause, Process, Random, Trace
from suite.cluster.stragglers.straggler import LIMIT_SECONDS, Straggler, Unit

_TIME = re.compile(r"(?P<number>[0-9.eE+-]+)(?P<unit>ms|s|x)?")


def parse(text: str) -> Straggler:
    kind, _, rest = text.partition(":")
    build = _KINDS.get(kind)
    if build is None:
        raise ValueError(f"straggler {text!r}: unknown kind {kind!r}; {_nearest(kind, list(_KINDS))}")
    try:
        keys = _Keys(_split(rest))
        straggler = build(text, keys)
        keys.finish()
        return straggler
    except ValueError as error:
        raise ValueError(f"straggler {text!r}: {error}") from None


def _split(rest: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not key or not value:
            raise ValueError(f"{part!r} is not key=value")
        if key in values:
            raise ValueError(f"{key} is given twice")
        values[key] = value
    return values


@dataclass
class _Keys:
    """The values given, each checked when it is asked for; what was never asked for is unknown."""

    values: dict[str, str]
    asked: list[str] = field(default_factory=list)
    unit: Unit = "seconds"

    def text(self, key: str) -> str | None:
        self.asked.append(key)
        return self.values.pop(key, None)

    def number(
        self, key: str, low: float, high: float, default: float | None = None, *, open_low: bool = False
    ) -> float:
        given = self.text(key)
        if given is None:
            if default is None:
                raise ValueError(f"{key} is missing")
            return default
        return _within(key, given, low, high, open_low=open_low)

    def whole(self, key: str, low: int) -> int:
        given = self.text(key)
        if given is None or not given.isdecimal() or int(given) < low:
            raise ValueError(f"{key} is {given or 'missing'}, must be a whole number of at least {low}")
        return int(given)

    def time(self, key: str, default: str | None = None) -> float:
        """Remembers the unit: seconds, or multiples of the compute."""
        given = self.text(key) or default
        found = _TIME.fullmatch(given or "")
        if not found:
            raise ValueError(f"{key} is {given or 'missing'}, must be a time like 50ms, 0.2s or 0.5x")
        value = _within(key, found["number"], 0, math.inf)
        if found["unit"] == "x":
            self.unit = "compute"
        return value / 1000 if found["unit"] == "ms" else value

    def ranks(self) -> tuple[int, ...] | None:
        given = self.text("rank")
        if given is None:
            return None
        parts = given.split("+")
        if not all(part.isdecimal() for part in parts):
            raise ValueError(f"rank is {given}, must be rank numbers joined by +")
        return tuple(sorted({int(part) for part in parts}))

    def limit(self) -> float:
        given = self.text("limit")
        if given is None:
            return LIMIT_SECONDS
        if given.endswith("x"):
            raise ValueError(f"limit is {given}, must be a time like 20s, not a multiple of the compute")
        found = _TIME.fullmatch(given)
        if not found:
            raise ValueError(f"limit is {given}, must be a time like 20s")
        return _within("limit", found["number"], 0, math.inf, open_low=True) / (1000 if found["unit"] == "ms" else 1)

    def finish(self) -> None:
        for key in self.values:
            raise ValueError(f"unknown key {key!r}; {_nearest(key, self.asked)}")


def _within(key: str, given: str, low: float, high: float, *, open_low: bool = False) -> float:
    try:
        value = float(given)
    except ValueError:
        raise ValueError(f"{key} is {given}, must be a number") from None
    if not (low < value if open_low else low <= value) or not value <= high or not math.isfinite(value):
        bound = f"above {low:g}" if open_low else f"at least {low:g}"
        raise ValueError(f"{key} is {given}, must be {bound}" + ("" if math.isinf(high) else f" and at most {high:g}"))
    return value


def _nearest(given: str, known: list[str]) -> str:
    return did_you_mean(given, known) or f"known: {', '.join(known)}"


def _sleeping(text: str, keys: _Keys, process: Process) -> Straggler:
    return Straggler(text=text, ranks=keys.ranks(), unit=keys.unit, process=process, limit_seconds=keys.limit())


def _random(text: str, keys: _Keys, distribution: Distribution) -> Straggler:
    highest = 0.999
    correlation = keys.number("correlation", 0, highest, 0.0)
    persistence = keys.number("persistence", 0, highest, 0.0)
    return _sleeping(text, keys, Random(distribution=distribution, correlation=correlation, persistence=persistence))


def _constant(text: str, keys: _Keys) -> Straggler:
    if keys.values.keys() & {"delay"}:
        return _sleeping(text, keys, Constant(delay=keys.time("delay")))
    keys.unit = "compute"
    return _sleeping(text, keys, Constant(delay=keys.number("factor", 1, 1000) - 1))


def _exponential(text: str, keys: _Keys) -> Straggler:
    return _random(text, keys, Exponential(mean=keys.time("mean", "1x")))


def _lognormal(text: str, keys: _Keys) -> Straggler:
    sigma = keys.number("sigma", 0, 5, open_low=True)
    return _random(text, keys, Lognormal(mean=keys.time("mean", "1x"), sigma=sigma))


def _pareto(text: str, keys: _Keys) -> Straggler:
    alpha = keys.number("alpha", 1, 100, open_low=True)
    return _random(text, keys, Pareto(mean=keys.time("mean", "1x"), alpha=alpha))


def _bimodal(text: str, keys: _Keys) -> Straggler:
    probability = keys.number("probability", 0, 1)
    return _random(text, keys, Bimodal(slow=keys.time("slow"), probability=probability))


def _pause(text: str, keys: _Keys) -> Straggler:
    return _sleeping(text, keys, PeriodicPause(every=keys.whole("every", 1), length=keys.time("length")))


def _trace(text: str, keys: _Keys) -> Straggler:
    file = keys.text("file")
    if file is None:
        raise ValueError("file is missing")
    unit = keys.text("unit") or "seconds"
    if unit not in ("seconds", "compute"):
        raise ValueError(f"unit is {unit}, must be seconds or compute")
    keys.unit = "compute" if unit == "compute" else "seconds"
    trace = Trace(file=Path(file))
    trace.table  # noqa: B018  read now, so that a bad file is refused before anything starts
    return _sleeping(text, keys, trace)


def _quota(text: str, keys: _Keys) -> Straggler:
    cores = keys.number("cores", 0.1, 1024)
    return Straggler(text=text, ranks=keys.ranks(), cores=cores)


_KINDS: dict[str, Callable[[str, _Keys], Straggler]] = {
    "constant": _constant,
    "exponential": _exponential,
    "lognormal": _lognormal,
    "pareto": _pareto,
    "bimodal": _bimodal,
    "pause": _pause,
    "trace": _trace,
    "quota": _quota,
}
KINDS = tuple(_KINDS)
