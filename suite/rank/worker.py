"""What every rank of a run executes: `python -m suite.rank.worker JOB`, started by horovodrun on each rank.

Builds what the specification names, trains, and writes down every step. Whatever goes wrong is written down too; the
harness reads it from the rank's file, not from its output.
"""

from __future__ import annotations

import time

_IMPORTING = time.time()  # before anything heavy is imported: where the launch ends and our start begins

import faulthandler  # noqa: E402
import importlib  # noqa: E402
import os  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from contextlib import AbstractContextManager, nullcontext  # noqa: E402
from pathlib import Path  # noqa: E402
from threading import Event  # noqa: E402
from typing import cast  # noqa: E402

import psutil  # noqa: E402

import algorithms  # noqa: E402
from algorithms import contract  # noqa: E402
from algorithms.contract import Exchange, Rounds  # noqa: E402
from suite.cluster import stragglers  # noqa: E402
from suite.cluster.stragglers import Injector, Straggler  # noqa: E402
from suite.data import Source  # noqa: E402
from suite.experiment.live import Live  # noqa: E402
from suite.rank import job, samples  # noqa: E402
from suite.rank.accounts import Account, Spent, digest, telemetry  # noqa: E402
from suite.rank.changes import Changes  # noqa: E402
from suite.rank.consequences import is_consequence  # noqa: E402
from suite.rank.environment import host_of_this_rank  # noqa: E402
from suite.rank.layer_spans import LayerSpans  # noqa: E402
from suite.rank.observer import Observer  # noqa: E402
from suite.rank.resident import ResidentPeak  # noqa: E402
from suite.rank.side import Built, Place, Side, Trained  # noqa: E402
from suite.rank.sources import open_source  # noqa: E402
from suite.record.rank import Startup  # noqa: E402
from suite.record.specification import Specification  # noqa: E402
from suite.training.plan import Plan  # noqa: E402

FREE_MEETING_SECONDS = 0.5  # of training between two evaluations of ranks that meet by time
RANK_VARIABLES = ("HOROVOD_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")
FAILED = 1


def main(arguments: list[str]) -> int:
    given = job.read(Path(arguments[0]))
    rank = own_rank()
    writer = samples.RankWriter(Path(given.folder), rank)
    writer.event("begin", host=socket.gethostname(), process=os.getpid(), time=time.time())
    left = given.left(time.time(), job.clock_of_this_machine())
    faulthandler.dump_traceback_later(max(1.0, left), exit=True)  # a hang shows where it hangs, and ends
    try:
        with slowed(given.live.straggler, rank):
            run(given, writer)
    except BaseException as error:
        writer.failure(describe(error))
        writer.close()
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(FAILED)  # not through atexit, where Horovod would wait for ranks that wait for us
    writer.close()
    faulthandler.cancel_dump_traceback_later()
    return 0


def own_rank() -> int:
    """Before Horovod is there to ask; 0 where no launcher has set anything."""
    return next((int(os.environ[name]) for name in RANK_VARIABLES if name in os.environ), 0)


def run(given: job.RankJob, writer: samples.RankWriter) -> None:
    live = given.live
    specification = live.specification
    side = import_side(specification)
    imported = time.time()
    place = side.join(specification)
    joined = time.time()
    memory = psutil.Process().memory_info().rss
    made = side.build(live, place) if specification.faults is None else side.changing(live, place)
    was_built = time.time()
    source = open_source(specification, "train", place.rank, place.size)
    test = open_source(specification, "test", place.rank, place.size) if specification.evaluate_every else None
    startup = Startup(
        launch=given.since_launch(_IMPORTING, job.clock_of_this_machine()),
        imports=imported - _IMPORTING,
        horovod=joined - imported,
        build=was_built - joined,
        data=time.time() - was_built,
    )
    writer.event(
        "ready",
        startup=startup.model_dump(),
        parameter_bytes=made.parameter_bytes,
        memory_start_bytes=memory,
        fingerprint=host_of_this_rank(place.horovod).model_dump() if place.local_rank == 0 else None,
    )
    account = Account(specification, writer, leads=place.local_rank == 0)
    spans = LayerSpans() if given.trace else None
    if isinstance(made, Built):
        if spans is not None:
            side.watch_layers(made, spans)
        trained = train_together(live, writer, account, place, made, source, test, spans=spans)
    else:
        changes = Changes(specification, writer, made.state)

        def train_anew(place: Place, built: Built) -> Trained:
            mine = open_source(specification, "train", place.rank, place.size)
            return train_together(live, writer, account, place, built, mine, None, changes=changes)

        trained = made.through(train_anew)
    spent = account.end()
    place, built, result = trained.place, trained.built, trained.result
    if result.diverged is not None:
        writer.event("diverged", step=result.diverged.step, message=result.diverged.reason)
    built.optimizer.finish()
    waited = sum(call.waited_seconds for call in result.calls if not call.warm_up)
    end(built, writer, live, place, spent, account.peak, result.verdict, waited)
    place.exchange("end")  # a rank that leaves while another still exchanges would end the job
    if spans is not None:  # only now: Horovod's thread may still be at the last landing when the step is over
        spans.write(Path(given.folder) / f"spans-{place.rank}.json")
    side.leave()


def train_together(
    live: Live,
    writer: samples.RankWriter,
    account: Account,
    place: Place,
    built: Built,
    source: Source,
    test: Source | None,
    *,
    spans: LayerSpans | None = None,
    changes: Changes | None = None,
) -> Trained:
    """From a meeting of all workers to the end, or to what `changes` them."""
    from suite.data.contents import check_same
    from suite.training.loop import train

    specification = live.specification

    observer = Observer(
        built.session,
        writer,
        telemetry=built.telemetry or (lambda: None),
        samples_at=source.samples_until,
        warmup=specification.warmup,
        injector=injector(live, place, built.late),
        compute=None if live.profile is None else live.profile.forward_seconds + live.profile.backward_seconds,
        updating=built.updating,
        keeper=changes,
    )
    check_same(place.exchange(source.contents))
    place.exchange("start")  # leave together: times of all ranks count from here
    if changes is None:
        observer.start()
    else:
        changes.meet(place, observer.start)
    account.begin()
    if spans is not None:
        spans.start()

    def before_step(step: int) -> None:
        if step >= specification.warmup:
            account.peak.begin()
            if built.device_peak is not None:
                built.device_peak.begin()
        if changes is not None:
            changes.look()
        observer.before_step(step)

    result = train(
        observer,
        source,
        plan_of(live),
        test=test,
        exchange=place.exchange,
        finish=built.optimizer.finish,
        before_step=before_step,
    )
    return Trained(place, built, result)


def plan_of(live: Live) -> Plan:
    """How long to train and when to meet.

    Ranks that go on without the slowest do not come to a common step: they meet by time, or those that came first would
    wait for the others while the others' rounds wait for them.
    """
    specification = live.specification
    by_time = live.waits_for < specification.workers and specification.evaluate_every > 0
    return Plan(
        steps=specification.warmup + specification.steps,
        warm_up=specification.warmup,
        evaluate_every=None if by_time else specification.evaluate_every or None,
        meet_every=FREE_MEETING_SECONDS if by_time else None,
        targets=specification.targets,
        stop_at_targets=specification.stop_at_target,
        weighted=averages_gradients(live.algorithm),
    )


def averages_gradients(algorithm: object) -> bool:
    """Whether gradients of one update are averaged over ranks, so that a short batch must weigh less."""
    if isinstance(algorithm, Rounds):
        return algorithm.optimizer_at is contract.Place.CENTRE
    return algorithm.reduces if isinstance(algorithm, Exchange) else True


def import_side(specification: Specification) -> Side:
    """Only the framework that the run is about: the other one would cost seconds and threads."""
    side = cast(Side, importlib.import_module(f"suite.rank.{specification.framework}_side"))
    if specification.framework == "torch":
        importlib.import_module("torch._dynamo")  # torch would with the first optimizer: an import all the same
    if specification.algorithm.name in algorithms.CATALOGUE:
        importlib.import_module(f"algorithms.{specification.framework}")
    return side


def end(
    built: Built,
    writer: samples.RankWriter,
    live: Live,
    place: Place,
    spent: Spent,
    peak: ResidentPeak,
    verdict: str,
    waited: float,
) -> None:
    steady = peak.since_begun  # before digests copy all parameters
    on_device = None if built.device_peak is None else built.device_peak.since_begun
    own = digest(built)
    with evaluated(built):
        shared = digest(built)
    writer.event(
        "end",
        verdict=verdict,
        telemetry=telemetry(built, live, place.size).model_dump(),
        digest=shared,
        own_digest=None if own == shared else own,
        memory_peak_bytes=peak.whole_life,
        memory_steady_bytes=steady,
        device_peak_bytes=on_device,
        cpu_seconds=round(spent.cpu_seconds, 4),
        interface_bytes=spent.interface_bytes,
        data_wait_seconds=round(waited, 6),
    )


def evaluated(built: Built) -> AbstractContextManager[object]:
    """The parameters one evaluates, put in place of the worker's own."""
    return cast(AbstractContextManager[object], built.optimizer.evaluation())


def injector(live: Live, place: Place, late: Event | None) -> Injector | None:
    """None on ranks that are not slowed down: they then pay nothing for it. A delay ends when the rank is `late`."""
    chosen = live.straggler
    if chosen is None or not chosen.affects(place.rank):
        return None
    sleep = time.sleep if late is None else late.wait
    return Injector(chosen, place.rank, place.size, live.specification.seed, sleep=sleep)


def slowed(chosen: Straggler | None, rank: int) -> AbstractContextManager[None]:
    """A CPU quota, where that is how this rank is slowed down."""
    if chosen is None or chosen.cores is None or not chosen.affects(rank):
        return nullcontext()
    return stragglers.quota(chosen.cores)


def describe(error: BaseException) -> samples.Failure:
    text = str(error).strip().splitlines()
    message = f"{type(error).__name__}: {text[0] if text else 'no message'}"
    return samples.Failure(
        message=message,
        kind=type(error).__name__,
        trace="".join(traceback.format_exception(error))[-8000:],
        time=time.time(),
        consequence=is_consequence(message),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
