"""All runs of a plan, one after another, each leaving a record; interrupted or not, nothing recorded is lost."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from suite.cluster.contract import Cluster
from suite.cluster.network import Network
from suite.experiment.plan import Plan, Planned
from suite.harness import tokens
from suite.harness.clusters import Clusters
from suite.harness.display import Display, dry_run
from suite.harness.executor import end_leftovers
from suite.harness.launch import Launcher, Request
from suite.harness.outline import Options, Outline
from suite.harness.queue import Queue
from suite.harness.signals import held, termination_is_interruption
from suite.harness.warm import WarmRanks
from suite.record.outcome import Failed, Reason
from suite.record.reading import Unreadable
from suite.record.schema import Record, Sweep
from suite.record.store import WORK, DiskFullError, Store, Writer
from suite.virtual import code

WIDTH = 160  # of a table that goes into a file or a pipe


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

    def show(self, plan: Plan, options: Options) -> None:
        """The dry run."""
        outline = Outline.of(plan, options, self.store)
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
            outline = Outline.of(plan, options, self.store)
            with WarmRanks() as warm:
                launcher = self.launcher or Launcher(work=work, warm=warm)
                return replace(self._runs(outline, options, launcher, writer), set_aside=set_aside)

    def _runs(self, outline: Outline, options: Options, launcher: Launcher, writer: Writer) -> Done:
        plan = outline.plan
        records: list[Record] = []
        interrupted, stopped = False, ""
        with (
            Display(plan, outline.ahead, outline.expected, self.console) as display,
            Clusters(self.open_cluster) as clusters,
        ):
            display.skipped(len(outline.present))
            queue = Queue(outline, display)
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
