"""Numbers as people read them. What is not known is a dash, never a zero."""

from __future__ import annotations

import math

from suite.report.content import Entry
from suite.statistics import Interval

DASH = "–"
MANY = 0.0005  # below half of what is shown, a width is none


def milliseconds(seconds: float | None) -> str:
    return DASH if seconds is None else f"{digits(seconds * 1000)}"


def digits(value: float, count: int = 3) -> str:
    """So many digits that say something, without exponents between a thousandth and a million."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else DASH
    places = count - 1 - math.floor(math.log10(abs(value)))
    return f"{value:,.{max(0, min(places, 6))}f}"


def ratio(value: float) -> str:
    return f"{value:.2f}" if value < 10 else digits(value)


def percent(share: float | None, places: int = 0) -> str:
    return DASH if share is None else f"{share:.{places}%}"


def share(value: float) -> str:
    """A stated share, with the digits that it has: 97.5%."""
    return f"{100 * value:.6g}%"


def size(count: float | None) -> str:
    if count is None:
        return DASH
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(count) >= factor:
            return f"{digits(count / factor)} {unit}"
    return f"{count:.0f} B"


def number(value: float | int | None, text: str | None = None, tone: str = "", note: str = "") -> Entry:
    """An entry that sorts by its value."""
    if value is None or not math.isfinite(value):
        return Entry(DASH, None, tone or "quiet", note)
    return Entry(text if text is not None else digits(float(value)), value, tone, note)


def machine(value: float | int | str) -> str:
    """For programs: seven digits of a measured number, which is more than it has and less than what processors agree on."""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.7g}"
    return str(value)


def around(interval: Interval | None, scale: float = 1.0, places: str = "digits", unit: str = "") -> str:
    """`1.42 [1.31, 1.55]`; a dagger where the interval knows one run only; no brackets where there is none."""
    if interval is None:
        return DASH
    write = ratio if places == "ratio" else digits
    middle = write(interval.value * scale) + unit
    if not interval.known or interval.low <= 0:
        return middle
    return f"{middle} [{write(interval.low * scale)}, {write(interval.high * scale)}]{'†' * interval.within_run}"
