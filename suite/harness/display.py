"""What a person sees while a sweep runs: a live table with a progress bar and the time left, or a line per run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from suite.experiment.plan import Plan, Planned
from suite.harness.progress import Progress
from suite.record.axes import AXES, numeric
from suite.record.outcome import Diverged, Failed, Outcome
from suite.record.schema import Record

SHOWN_DONE = 12
SHOWN_AHEAD = 4


@dataclass
class Display:
    """Told by the sweep what happens; on a terminal it redraws, elsewhere it prints."""

    plan: Plan
    ahead: list[float]  # of each run, how much of it there is to do
    expected: Sequence[float]  # seconds of each run
    console: Console
    clock: Callable[[], float] = time.monotonic
    _done: list[tuple[Planned, Record, tuple[str, ...]]] = field(default_factory=list)
    _skipped: int = 0
    _current: Planned | None = None
    _progress: Progress | None = None
    _seconds: float = 0.0
    _deadline: float = 0.0
    _note: str = ""
    _live: Live | None = None
    _start: float = 0.0

    def __enter__(self) -> Display:
        self._start = self.clock()
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4, get_renderable=self.render, transient=False)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._current = None
            self._live.stop()

    def skipped(self, count: int) -> None:
        """Runs that are there already."""
        self._skipped = count
        if count and self._live is None:
            self.console.print("1 run is there already" if count == 1 else f"{count} runs are there already")

    def known(self, run: Planned, worth: bool) -> None:
        """Whether this run is worth doing, now that its tuning is known."""
        self.ahead[run.position] = float(worth)

    @property
    def total(self) -> int:
        return self._skipped + round(sum(self.ahead))

    def preparing(self, note: str) -> None:
        self._note = note

    def started(self, run: Planned, deadline: float) -> None:
        self._current, self._progress, self._seconds, self._deadline, self._note = run, None, 0.0, deadline, ""

    def watch(self, progress: Progress, seconds: float) -> None:
        self._progress, self._seconds = progress, seconds

    def again(self, runs: Sequence[Planned]) -> None:
        """These were disturbed; they wait for another attempt."""
        positions = {run.position for run in runs}
        for position in positions - {run.position for run, _, _ in self._done}:  # there from before
            self._skipped, self.ahead[position] = self._skipped - 1, 1.0
        self._done = [entry for entry in self._done if entry[0].position not in positions]
        if runs and self._live is None:
            count = "1 run was" if len(runs) == 1 else f"{len(runs)} runs were"
            self.console.print(f"{count} disturbed: once more", markup=False)

    def ended(self, run: Planned, record: Record, disturbances: Sequence[str] = ()) -> None:
        self._done.append((run, record, tuple(disturbances)))
        self._current = None
        if self._live is None:
            cells = _cells(run, varying_axes(self.plan))
            typical = f"typical step {step}" if (step := _step_text(record)) else ""
            troubled = f"disturbed: {'; '.join(disturbances)}" if disturbances else ""
            told = (outcome_text(record.outcome).plain, troubled, typical, f"{_clock_text(self.left())} left")
            self.console.print(
                f"[{self._skipped + len(self._done)}/{self.total}] {' '.join(cells)}: {', '.join(filter(None, told))}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )

    def left(self) -> float:
        """Expected seconds of what is not done, corrected by how well the expectation did so far."""
        done = sum(self.expected[run.position] for run, _, _ in self._done)
        took = sum(record.wall_seconds for _, record, _ in self._done)
        scale = took / done if done and took else 1.0
        finished = {run.position for run, _, _ in self._done}
        seconds = [share * one for share, one in zip(self.ahead, self.expected, strict=True)]
        ahead = sum(one for position, one in enumerate(seconds) if position not in finished)
        return max(0.0, ahead * scale - (self._seconds if self._current is not None else 0.0))

    def render(self) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        varying = varying_axes(self.plan)
        _add_axes(table, varying)
        table.add_column("typical step", no_wrap=True, justify="right")
        table.add_column("result", no_wrap=True)
        for run, record, disturbances in self._done[-SHOWN_DONE:]:
            table.add_row(*_cells(run, varying), _step_text(record), _result_text(record, disturbances))
        if self._current is not None:
            table.add_row(*_cells(self._current, varying), *self._now(self._current), style="bold")
        for run in self._ahead():
            table.add_row(*_cells(run, varying), "", Text("waiting"), style="dim")
        return Group(_heading(self.plan), table, self._summary())

    def _ahead(self) -> Sequence[Planned]:
        taken = {run.position for run, _, _ in self._done} | ({self._current.position} if self._current else set())
        waiting = [run for run in self.plan.runs if run.position not in taken and self.ahead[run.position]]
        return waiting[:SHOWN_AHEAD]

    def _now(self, run: Planned) -> tuple[str, Text]:
        steps = run.specification.warmup + run.specification.steps
        if self._progress is None or not self._progress.steps:
            return "", Text(f"starting {self._seconds:.0f} s")
        return f"{self._progress.slowest}/{steps}", Text(f"{self._seconds:.0f} s of at most {self._deadline:.0f}")

    def _summary(self) -> RenderableType:
        total = self.total
        done = self._skipped + len(self._done)
        failed = sum(not record.finished for _, record, _ in self._done)
        line = Table.grid(padding=(0, 2))
        for _ in range(5):
            line.add_column()
        line.add_row(
            ProgressBar(total=total, completed=done, width=40),
            f"{done}/{total} runs",
            Text(f"{failed} failed", style="red") if failed else Text("none failed", style="green"),
            f"{_clock_text(self.clock() - self._start)} so far, {_clock_text(self.left())} left",
            self._note,
        )
        return line


def dry_run(
    plan: Plan, ahead: Sequence[float], expected: Sequence[float], deadlines: Sequence[float], present: Collection[int]
) -> RenderableType:
    """The plan as a table: every run with its expected time and its deadline, and the sum."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    varying = varying_axes(plan)
    table.add_column("#", justify="right", no_wrap=True)
    _add_axes(table, varying)
    for name in ("round", "expected", "at most"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("identity", no_wrap=True)
    for run in plan.runs:
        share, seconds = ahead[run.position], f"{expected[run.position]:.0f} s"
        table.add_row(
            str(run.position + 1),
            *_cells(run, varying),
            str(run.round + 1),
            "there"
            if run.position in present
            else seconds
            if share == 1
            else f"{seconds} if best"
            if share
            else "not best",
            f"{deadlines[run.position]:.0f} s",
            run.identity[:8],
            style=None if share else "dim",
        )
    count, left = round(sum(ahead)), sum(share * seconds for share, seconds in zip(ahead, expected, strict=True))
    summary = f"{count} of {len(plan.runs)} runs to do, about {_clock_text(left)}"
    if plan.minutes is not None:
        summary += f" (meant to take {plan.minutes:g} min)"
    tried = len({one.identity for those in plan.tuning.values() for one in those})
    told = (
        [Text(f"Of {tried} runs in which all is tried, the best of each contender is run elsewhere")] if tried else []
    )
    return Group(_heading(plan), table, *told, Text(summary))


def outcome_text(outcome: Outcome) -> Text:
    if isinstance(outcome, Failed):
        return Text(f"failed: {outcome.reason.value}", style="red")
    if isinstance(outcome, Diverged):
        return Text(f"diverged at step {outcome.step}", style="yellow")
    return Text("finished", style="green")


def _result_text(record: Record, disturbances: Sequence[str]) -> Text:
    text = outcome_text(record.outcome)
    return text.append(f", disturbed: {'; '.join(disturbances)}", style="yellow") if disturbances else text


def varying_axes(plan: Plan) -> tuple[str, ...]:
    """The axes worth a column: what all runs share is said once, above."""
    return tuple(axis for axis in AXES if len(plan.values(axis)) > 1) or ("algorithm",)


def _heading(plan: Plan) -> Text:
    varying = varying_axes(plan)
    shared = [f"{axis} {plan.values(axis)[0]}" for axis in AXES if axis not in varying]
    return Text(f"{plan.title}: {plan.question}\n", style="bold").append(", ".join(shared), style="not bold dim")


def _add_axes(table: Table, axes: Sequence[str]) -> None:
    for name in axes:
        table.add_column(name, no_wrap=True, justify="right" if numeric(name) else "left")


def _cells(run: Planned, axes: Sequence[str]) -> list[str]:
    values = [getattr(run.labels, axis) for axis in axes]
    return [f"{value:g}" if isinstance(value, float) else str(value) for value in values]


def _step_text(record: Record) -> str:
    """The median step of the slowest rank: a glance, not a result, which is work over time."""
    medians = [statistics.median(rank.steps.seconds) for rank in record.ranks if rank.steps.seconds]
    return f"{max(medians) * 1000:.0f} ms" if medians else ""


def _clock_text(seconds: float) -> str:
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
