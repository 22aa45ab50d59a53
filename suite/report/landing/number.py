"""A number that the first page shows, with everything that it takes to work it out again from the records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from suite.report import formats, words
from suite.report.arms import Arm, Setting
from suite.report.content import Column, Entry, Link, Table
from suite.statistics import Interval

COLUMNS = (
    Column("text", "number"),
    Column("measure", "what it is"),
    Column("algorithm", "algorithm"),
    Column("kind", "kind"),
    Column("experiment", "runs"),
    Column("against", "against", detail=True),
    Column("framework", "framework", detail=True),
    Column("model", "model", detail=True),
    Column("workers", "workers", True, detail=True),
    Column("network", "network", detail=True),
    Column("straggler", "straggler", detail=True),
    Column("target", "target", True, detail=True),
    Column("value", "value", True, detail=True),
    Column("low", "interval from", True, detail=True),
    Column("high", "interval to", True, detail=True),
)

SHARES = ("final accuracy", "votes in a step")


@dataclass(frozen=True)
class Number:
    measure: (
        str  # "× one worker", "× synchronous", "samples, × synchronous", "seconds, × synchronous", or one of SHARES
    )
    arm: Arm
    interval: Interval
    against: str = ""  # the label of what it is compared with
    target: float | None = None  # accuracy

    @property
    def setting(self) -> Setting:
        return self.arm.setting

    @property
    def text(self) -> str:
        """`1.66 [1.64, 1.69]`, or `1.66 (one run: no interval)`."""
        middle = self.middle
        impossible = self.interval.low <= 0 and self.measure not in SHARES  # of a ratio; shares end at 0
        if not self.interval.decides or impossible:
            few = self.interval.count < 2 or self.interval.within_run
            return f"{middle} ({'one run' if few else self.interval.lacks}: no interval)"
        low, high = self.ends
        return f"{middle} [{self._write(low)}, {self._write(high)}]"

    @property
    def ends(self) -> tuple[float, float]:
        """Of the interval, which knows nothing of what a share can be."""
        low, high = self.interval.low, self.interval.high
        return (max(low, 0.0), min(high, 1.0)) if self.measure in SHARES else (low, high)

    @property
    def middle(self) -> str:
        return self._write(self.interval.value)

    @property
    def page(self) -> str:
        return f"pages/{self.setting.experiment}-{self.setting.kind}"

    @property
    def runs(self) -> Link:
        return Link("runs", self.page, "runs")

    def _write(self, value: float) -> str:
        return f"{value:.1%}" if self.measure in SHARES else formats.ratio(value)

    def row(self) -> tuple[Entry, ...]:
        setting = self.setting
        low, high = self.ends if self.interval.decides else (None, None)
        return (
            Entry(self.text, self.text),
            Entry(self.measure, self.measure),
            Entry(self.arm.title, self.arm.label, exact=self.arm.label),
            Entry(setting.kind, setting.kind),
            Entry(setting.experiment, setting.experiment, link=self.runs),
            Entry(self.against, self.against),
            Entry(setting.framework, setting.framework),
            Entry(setting.model, setting.model),
            Entry(str(setting.workers), setting.workers),
            Entry(setting.network, setting.network),
            Entry(setting.straggler, setting.straggler),
            Entry("" if self.target is None else formats.share(self.target), self.target),
            formats.number(self.interval.value),
            formats.number(low),
            formats.number(high),
        )


def table(name: str, caption: str, numbers: Iterable[Number]) -> Table:
    """Each once, in the order in which they are met."""
    rows = dict.fromkeys(one.row() for one in numbers)
    return Table(name, caption, COLUMNS, tuple(rows), folded=True)


def where(setting: Setting) -> str:
    """`AlexNet on 4 workers at 400 Mbit/s, one worker 4 times slower`."""
    said = f"{words.net('', setting.model)} on {setting.workers} worker{'s' * (setting.workers != 1)}"
    if setting.network != "local":
        said += f" {link(setting)}"
    return said if setting.straggler == "none" else f"{said}, {words.straggler(setting.straggler)}"


def link(setting: Setting) -> str:
    """`at 400 Mbit/s`, or `on links as 1 Gbit/s`: a label may say what a link is like beside the net, not what it is."""
    return f"{'on links' if setting.network.startswith('as ') else 'at'} {setting.network}"
