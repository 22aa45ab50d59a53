"""All runs of a plan, one after another, each leaving a record; interrupted or not, nothing recorded is lost."""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from suite.cluster.contract import Cluster
from suite.cluster.network import Network
from suite.disturbance.judging import Quietest
from suite.experiment.plan import Plan, Planned
from suite.harness import expected, tokens
from suite.harness.display import Display, dry_run
from suite.harness.executor import end_leftovers
from suite.harness.launch import Launcher, Request
from suite.harness.signals import held, termination_is_interruption
from suite.harness.tuning import Tuning
from suite.harness.warm import WarmRanks
from suite.record.schema import Failed, Reason, Record, Sweep
from suite.record.specification import Specification
from suite.record.store import WORK, Contents, DiskFullError, Store, Unreadable, Writer
from suite.virtual import code

WIDTH = 160  # of a table that goes into a file or a pipe
# A run that failed for these reasons is not there: it says nothing about what was to be measured.
AGAIN = {Reason.INTERRUPTED, Reason.DISK, Reason.HARNESS}
CALMER = 2  # more attempts at runs that were disturbed, at the end of the sweep and where it is resumed, together


@dataclass(frozen=True)
class Options:
    """How a plan is run. Without `resume`, its runs are added to what earlier sweeps left, as further repetitions."""

    resume: bool = False
    retry: bool = False  # with resume: runs that failed are tried again too
    trace: Path | None = None  # folder for a merged trace of every run


@dataclass(frozen=True)
class Outline:
    """What a sweep would do: decided before anything starts, so that a dry run shows just that."""

    plan: Plan
    identifier: str
    first_repetition: int
    present: frozenset[int]  # positions of runs that are there already
    left_out: frozenset[int]  # and of those that are known to be tuned less well than others
    decided: frozenset[int]  # of runs about which nothing remains to be tried
    recorded: tuple[Record, ...]  # what the sweep has left so far, where it is resumed
    tuning: Tuning
    expected: Sequence[float]
    deadlines: Sequence[float]

    @property
    def ahead(self) -> list[float]:
        """Of each run of the plan, how much of it there is to do: a share, as long as its tuning is not known."""
        gone = self.present | self.left_out
        return [
            0.0 if run.position in gone else 1.0 if run.position in self.decided else self.plan.share(run)
            for run in self.plan.runs
        ]

    def key(self, run: Planned) -> tuple[str, str, int]:
        return (self.plan.experiment, run.identity, self.first_repetition + run.repetition)


@dataclass(frozen=True)
class Done:
    """What a sweep did."""

    records: tuple[Record, ...]
    skipped: int
    interrupted: bool
    set_aside: tuple[Unreadable, ...] = ()
    stopped: str = ""  # why it ended early, if not by the user

    @property
    def failed(self) -> tuple[Record, ...]:
        return tuple(record for record in self.records if record.failed)

    @property
    def diverged(self) -> int:
        return sum(record.outcome.status == "diverged" for record in self.records)


@dataclass(frozen=True)
class Sweeper:
    """Runs plans into a store. What touches the world is a field, so that tests can put something else there."""

    store: Store
    console: Console = field(default_factory=Console)
    launcher: Launcher | None = None
    open_cluster: Callable[[Network, int], Cluster] = lambda network, workers: network.open(workers)

    def outline(self, plan: Plan, options: Options) -> Outline:
        plan = replace(plan, runs=tuple(replace(run, position=index) for index, run in enumerate(plan.runs)))
        contents = self.store.read(plan.experiment) if self.store.folder.exists() else Contents((), ())
        records = list(contents.latest())
        first, identifier = 0, uuid.uuid4().hex[:12]
        present: set[int] = set()
        recorded: tuple[Record, ...] = ()
        if records:
            newest = max(records, key=lambda record: record.created).sweep.identifier
            if options.resume:
                identifier = newest
                first = min(record.repetition for record in records if record.sweep.identifier == newest)
            else:
                first = 1 + max(record.repetition for record in records)
        if options.resume:
            recorded = tuple(record for record in contents.records if record.sweep.identifier == identifier)
            counting = {record.key for record in records if _counts(record, options.retry)} - _restless(recorded)
            keys = {run.position: (plan.experiment, run.identity, first + run.repetition) for run in plan.runs}
            present = {position for position, key in keys.items() if key in counting}
        tuning = Tuning(plan, records)
        # What is still to be tried may change what is known from before.
        pending = {run.identity for run in plan.runs if run.position not in present}
        decided = {run.position for run in plan.runs if not any(one.identity in pending for one in plan.tried(run))}
        left_out = {run.position for run in plan.runs if run.position in decided and tuning.leaves_out(run)} - present
        seconds = _estimates(plan)
        deadlines = [
            expected.deadline(one, run.specification.network.evidence == "simulated")
            for one, run in zip(seconds, plan.runs, strict=True)
        ]
        return Outline(
            plan,
            identifier,
            first,
            frozenset(present),
            frozenset(left_out),
            frozenset(decided),
            recorded,
            tuning,
            seconds,
            deadlines,
        )

    def show(self, outline: Outline) -> None:
        """The dry run."""
        console = self.console if self.console.is_terminal else Console(file=self.console.file, width=WIDTH)
        console.print(dry_run(outline.plan, outline.ahead, outline.expected, outline.deadlines, outline.present))

    def run(self, plan: Plan, options: Options) -> Done:
        with termination_is_interruption(), self.store.writing() as writer:
            end_leftovers(tokens.is_orphan)
            work = self.store.folder / WORK
            _remove_orphans(work)
            if outdated := _remove_outdated(work):
                self.console.print(
                    f"{outdated} interrupted in virtual time by other code or another PyTorch: begun anew"
                )
            set_aside = writer.set_aside_damaged()
            for hole in set_aside:
                self.console.print(f"damaged record set aside: {hole.path} ({hole.why})", markup=False)
            writer.reserve()
            outline = self.outline(plan, options)
            with WarmRanks() as warm:
                launcher = self.launcher or Launcher(work=work, warm=warm)
                return replace(self._runs(outline, options, launcher, writer), set_aside=set_aside)

    def _runs(self, outline: Outline, options: Options, launcher: Launcher, writer: Writer) -> Done:
        plan = outline.plan
        records: list[Record] = []
        interrupted, stopped = False, ""
        with (
            Display(plan, outline.ahead, outline.expected, self.console) as display,
            _Clusters(self.open_cluster) as clusters,
        ):
            display.skipped(len(outline.present))
            queue = _Queue(outline, display)
            for run in queue:
                request = _request(outline, run, writer, options)
                try:
                    with contextlib.ExitStack() as written:
                        display.preparing("making the network")
                        begun = time.monotonic()
                        try:
                            cluster = clusters.get(run.specification)
                        except Exception as error:  # hosts are made of much that can fail: that costs this run alone
                            record = launcher.refused(request, error)
                        else:
                            request = replace(request, network_seconds=round(time.monotonic() - begun, 3))
                            display.started(run, request.deadline)
                            record = launcher.launch(request, cluster, display.watch, written)
                        written.enter_context(held())
                        writer.add(record)
                        records.append(record)
                except DiskFullError as error:
                    stopped = str(error)
                    break
                except KeyboardInterrupt:
                    interrupted = True
                    break
                disturbances = queue.judged(run, record)
                display.ended(run, record, disturbances)
                reason = record.outcome.reason if isinstance(record.outcome, Failed) else None
                if reason is Reason.INTERRUPTED:
                    interrupted = True
                    break
                if disturbances or reason in (Reason.CLUSTER, Reason.UNREACHABLE):
                    clusters.doubt(run.specification)
        return Done(tuple(records), len(outline.present), interrupted, (), stopped)


class _Queue:
    """The runs of a sweep in their order, then those that were disturbed once more, until they are quiet or it is enough.

    Only at the end is it known how quiet the machine can be, so that is when all runs are judged again, those of before the
    sweep was resumed, too.
    """

    def __init__(self, outline: Outline, display: Display) -> None:
        self._tuning, self._display = outline.tuning, display
        self._all = tuple(run for run in outline.plan.runs if run.position not in outline.left_out)
        self._runs = tuple(run for run in self._all if run.position not in outline.present)
        self._recorded = list(outline.recorded)
        results = [record for record in self._recorded if not record.failed]
        self._attempts = {run.position: [one for one in results if one.key == outline.key(run)] for run in self._all}

    def __iter__(self) -> Iterator[Planned]:
        for run in self._runs:
            self._judge_tuning([run])  # of what could not be tried to its end, too
            if not self._tuning.leaves_out(run):
                yield run
        for _ in range(CALMER):
            quietest = self._quietest
            again = [run for run in self._all if _all_disturbed(self._attempts[run.position], quietest)]
            self._display.again(again)
            yield from again

    def judged(self, run: Planned, record: Record) -> tuple[str, ...]:
        """What has disturbed this run, as far as can be told now."""
        self._attempts[run.position].append(record)
        self._recorded.append(record)
        self._tuning.add(record)
        self._judge_tuning([one for one in self._runs if self._tuning.decides(run, one) and self._tuning.settled(one)])
        return self._quietest.disturbances(record)

    def _judge_tuning(self, runs: Iterable[Planned]) -> None:
        for run in runs:
            self._display.known(run, not self._tuning.leaves_out(run))

    @property
    def _quietest(self) -> Quietest:
        return Quietest.of(self._recorded)


def _all_disturbed(attempts: Sequence[Record], quietest: Quietest) -> bool:
    """And few enough to try again."""
    disturbed = all(not one.failed and quietest.disturbances(one) for one in attempts)
    return 0 < len(attempts) <= CALMER and disturbed


def _restless(recorded: Sequence[Record]) -> set[tuple[str, str, int]]:
    """Keys of the runs of a sweep that are worth another attempt, since nothing but disturbed ones are there."""
    attempts: dict[tuple[str, str, int], list[Record]] = {}
    for record in recorded:
        if not record.failed:
            attempts.setdefault(record.key, []).append(record)
    quietest = Quietest.of(recorded)
    return {key for key, those in attempts.items() if _all_disturbed(those, quietest)}


def _request(outline: Outline, run: Planned, writer: Writer, options: Options) -> Request:
    plan, repetition = outline.plan, outline.first_repetition + run.repetition
    name = f"{plan.experiment}-{run.identity[:12]}-r{repetition}.json"
    return Request(
        planned=run,
        experiment=plan.experiment,
        question=plan.question,
        sweep=Sweep(identifier=outline.identifier, position=run.position, round=run.round),
        repetition=repetition,
        attempt=writer.next_attempt(plan.experiment, run.identity, repetition),
        command=f"python -m suite bench {plan.source or plan.experiment} --only {run.identity[:12]} --repeat 1",
        deadline=round(outline.deadlines[run.position], 1),
        trace=None if options.trace is None else options.trace / name,
    )


def _counts(record: Record, retry: bool) -> bool:
    if isinstance(record.outcome, Failed):
        return not retry and record.outcome.reason not in AGAIN
    return True


def _estimates(plan: Plan) -> list[float]:
    known: dict[str, float] = {}
    return [
        known.setdefault(run.identity, expected.estimate(run.specification))
        if run.identity not in known
        else known[run.identity]
        for run in plan.runs
    ]


class _Clusters:
    """Keeps every cluster up from the first run on it until the sweep ends: making one and measuring it takes seconds."""

    def __init__(self, opener: Callable[[Network, int], Cluster]) -> None:
        self._opener = opener
        self._open: dict[tuple[str, int], Cluster] = {}

    def __enter__(self) -> _Clusters:
        return self

    def __exit__(self, *error: object) -> None:
        with held():  # else a signal would leave namespaces and processes behind
            with contextlib.ExitStack() as all_of_them:
                for opened in self._open.values():
                    all_of_them.push(opened)
            self._open.clear()

    def get(self, specification: Specification) -> Cluster:
        key = _where(specification)
        if key not in self._open:
            opened = self._opener(specification.network, specification.workers)
            self._open[key] = opened.__enter__()
        return self._open[key]

    def doubt(self, specification: Specification) -> None:
        """The next run there gets a new one, whose wire is measured again."""
        opened = self._open.pop(_where(specification), None)
        if opened is not None:
            with held():
                opened.__exit__(None, None, None)


def _where(specification: Specification) -> tuple[str, int]:
    return specification.network.model_dump_json(), specification.workers


def _remove_orphans(work: Path) -> None:
    for folder in work.glob("run-*"):
        if tokens.is_orphan(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def _remove_outdated(work: Path) -> int:
    """How many checkpoints of virtual runs there were from which nobody here goes on."""
    outdated = [path for path in work.glob("*.checkpoint") if code.is_of_other_code(path.name)]
    for path in outdated:
        path.unlink(missing_ok=True)
    return len(outdated)
