"""A real run's rounds as events, so that the virtual driver can do the same training again and be compared with it.

Real processes record for each round which of a worker's steps were in it and which centre that worker had read. That is
all their mathematics depends on; the order of the events in between is free.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from algorithms.contract import Moment, Place, Rounds
from algorithms.mechanisms.quorum_record import Contribution, RoundRecord
from algorithms.virtual.events import Close, Compute, Drop, Event, Offer, Read, Recording, Settle


def recording(algorithm: Rounds, records: Sequence[RoundRecord], workers: int) -> Recording:
    """What `Cluster.run(replay=...)` takes, from what the processes wrote."""
    for expected, record in enumerate(records):
        if record.round != expected:
            raise ValueError(f"round {record.round} stands where round {expected} should: records are missing")
    events = _gradients(algorithm, records) if algorithm.optimizer_at is Place.CENTRE else _copies(algorithm, records)
    return Recording(workers, tuple(events))


def _gradients(algorithm: Rounds, records: Sequence[RoundRecord]) -> Iterator[Event]:
    """Each contribution is computed while the centre is the one that its worker had read."""
    computed: dict[int, list[Contribution]] = defaultdict(list)
    for record in records:
        for contribution in (*record.taken, *record.dropped):
            computed[contribution.read].append(contribution)
    held: dict[int, Contribution] = {}  # computed, not offered yet
    for record in records:
        now = float(record.round)
        stale = [contribution for contribution in record.dropped if contribution.read < record.round]
        yield from _drop(stale, held, now)
        for contribution in sorted(computed.pop(record.round, ())):
            worker = contribution.worker
            if worker in held:
                yield Offer(worker, now)  # before its next gradient takes the place of this one
            yield Read(worker, now)
            yield Compute(worker, contribution.step, now)
            held[worker] = contribution
        yield from _drop([contribution for contribution in record.dropped if contribution not in stale], held, now)
        yield from _offers(record.taken, held, now)
        yield Close(tuple(contribution.worker for contribution in record.taken), now)
        if algorithm.waits:
            for contribution in record.taken:
                yield Settle(contribution.worker, now)


def _offers(leaving: Sequence[Contribution], held: dict[int, Contribution], now: float) -> Iterator[Event]:
    for contribution in leaving:
        if held.get(contribution.worker) == contribution:
            del held[contribution.worker]
            yield Offer(contribution.worker, now)


def _drop(dropped: Sequence[Contribution], held: dict[int, Contribution], now: float) -> Iterator[Event]:
    yield from _offers(dropped, held, now)
    for contribution in dropped:
        yield Drop(contribution.worker, now)


def _copies(algorithm: Rounds, records: Sequence[RoundRecord]) -> Iterator[Event]:
    """Each worker takes its local steps up to the one that it offered at, and settles when it next reads the centre."""
    early = algorithm.departs is Moment.STEP_BEGINS
    done: dict[int, int] = defaultdict(int)  # local steps taken
    owing: dict[int, int] = {}  # workers whose round has closed -> the step after which they settle
    reads: dict[int, list[Contribution]] = defaultdict(list)
    for record in records:
        for contribution in record.taken:
            reads[contribution.worker].append(contribution)
    for record in records:
        now = float(record.round)
        for worker in sorted(owing):
            following = reads[worker]
            if following and following[0].read == record.round:
                yield from _settle(worker, owing.pop(worker), done, now)
        for contribution in record.taken:
            worker = contribution.worker
            reads[worker].pop(0)
            if worker in owing:
                yield from _settle(worker, owing.pop(worker), done, now)
            yield from _steps(worker, contribution.step + (0 if early else 1), done, now)
            yield Offer(worker, now)
            owing[worker] = contribution.step + 1 + algorithm.overlap
        yield Close(tuple(contribution.worker for contribution in record.taken), now)
    for worker in sorted(owing):
        yield from _settle(worker, owing[worker], done, float(len(records)))


def _settle(worker: int, after: int, done: dict[int, int], now: float) -> Iterator[Event]:
    yield from _steps(worker, after, done, now)
    yield Settle(worker, now)


def _steps(worker: int, until: int, done: dict[int, int], now: float) -> Iterator[Event]:
    for step in range(done[worker], until):
        yield Compute(worker, step, now)
    done[worker] = max(done[worker], until)
