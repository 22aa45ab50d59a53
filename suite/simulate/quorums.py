"""Rounds that begin when enough workers have offered: who is in which, and when workers go on. Round by round, all workers
at once; the virtual cluster does the same event by event and is the reference of the tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from algorithms.contract import Moment, Rounds
from algorithms.mechanisms.quorum.rules import Rules
from suite.simulate.exchanging import Course
from suite.simulate.meeting import period_of
from suite.simulate.times import Floats, Times

Integers = NDArray[np.int64]

# Rounds, and steps of each worker, after which more would say nothing new: a thousand workers need not take 500.
ENOUGH_ROUNDS, ENOUGH_STEPS = 2000, 8


@dataclass
class Draws:
    """The next compute time of any worker, again from the beginning when they are used up."""

    table: Floats
    taken: Integers = field(init=False)

    def __post_init__(self) -> None:
        self.taken = np.zeros(self.table.shape[1], dtype=np.int64)

    def next(self, workers: Integers) -> Floats:
        rows = self.taken[workers] % len(self.table)
        self.taken[workers] += 1
        return np.asarray(self.table[rows, workers])

    def give_back(self, workers: Integers) -> None:
        self.taken[workers] -= 1


def run(times: Times, step_seconds: float, algorithm: Rounds, rules: Rules, seconds: float, after: float) -> Course:
    """`seconds`: of a round, its vote included."""
    everyone = times.for_all()
    each = everyone.seconds(step_seconds) + after
    if algorithm.gives_up:
        return _given_up(each, rules, seconds)
    if rules.tagged:
        return _tagged(each, rules, seconds)
    period = period_of(algorithm.meets)
    whole = len(each) // period
    if whole == 0:
        raise ValueError(f"steps={len(each)}: must be at least {period}, a whole period of {algorithm.name}")
    blocks = each[: whole * period].reshape(whole, period, -1)
    leads = everyone.before_offers(period) if algorithm.departs is Moment.STEP_BEGINS else None
    return _free(blocks, rules, seconds, waits=algorithm.waits, leads=leads)


def _given_up(each: Floats, rules: Rules, seconds: float) -> Course:
    """All begin every round together, so it lasts as long as the last one of its quorum."""
    steps = np.partition(each, rules.quorum - 1, axis=1)[:, rules.quorum - 1] + seconds
    return Course(steps, useful=rules.quorum / rules.workers, staleness=(0,))


def _tagged(each: Floats, rules: Rules, seconds: float) -> Course:
    """Late gradients are dropped: a late worker finishes its own, and begins anew from the centre that is there then."""
    draws = Draws(each)
    finish = draws.next(np.arange(rules.workers))
    fresh = np.ones(rules.workers, dtype=bool)  # whether what it computes can count in the round that is open
    closes = np.zeros(len(each) + 1)
    for number in range(len(each)):
        stale = np.flatnonzero(~fresh)
        comes = finish.copy()  # with a gradient that counts
        comes[stale] += draws.next(stale)
        closed = float(np.partition(comes, rules.quorum - 1)[rules.quorum - 1]) + seconds
        closes[number + 1] = closed
        fresh = comes <= closed
        late = stale[finish[stale] > closed]  # has not even begun what could have counted
        draws.give_back(late)
        comes[late] = finish[late]
        on = np.flatnonzero(fresh)
        comes[on] = closed + draws.next(on)
        finish = comes
    return Course(np.diff(closes), useful=rules.quorum / rules.workers, staleness=(0,))


@dataclass
class _Workers:
    """Of every worker: when its offer is on the table, the round whose centre that was computed from, and, of workers that
    go on at once, when they will have the next one.
    """

    draws: Draws  # from one offer to the next
    first: Draws | None  # of it, what a round's result may travel behind
    waits: bool
    ready: Floats
    read: Integers
    read_at: Floats  # of workers that go on: closed rounds are counted when it is known how many there were
    reads_at: Floats  # the same of what will be offered next
    finish: Floats

    @classmethod
    def begin(cls, blocks: Floats, waits: bool, leads: Floats | None) -> _Workers:
        """`leads`: what of each period's first step goes before its offer; None: offers come at a period's end."""
        everyone = np.arange(blocks.shape[2])
        if leads is None:
            draws, first = Draws(blocks.sum(axis=1)), None
            ready = draws.next(everyone)
        else:
            before, after = leads[: len(blocks)], leads[1 : len(blocks) + 1]
            draws, first = Draws(blocks.sum(axis=1) - before + after), Draws(blocks[:, 0] - before)
            ready = leads[0].copy()
        finish = ready if waits else ready + draws.next(everyone)
        nothing = np.zeros(len(everyone))
        return cls(draws, first, waits, ready, np.zeros(len(everyone), dtype=np.int64), nothing, ready.copy(), finish)

    def go_on(self, who: Integers, now: float | Floats, closed: int) -> None:
        """Their offers are off the table at `now`, when so many rounds have closed."""
        if self.waits:
            self.read[who] = closed
            if self.first is None:
                self.ready[who] = now + self.draws.next(who)
                return
            hidden = self.first.next(who)
            done = self.ready[who] + hidden
            settled = np.maximum(now, done)
            self.read_at[who] = np.where(done > now, settled, np.nextafter(settled, np.inf))
            self.ready[who] = settled + self.draws.next(who) - hidden
            return
        self.read_at[who] = self.reads_at[who]
        self.ready[who] = np.maximum(self.finish[who], now)
        # Who was held up reads what this round has made; who offers while a round is under way reads what was before it.
        self.reads_at[who] = np.where(self.finish[who] > now, self.ready[who], np.nextafter(self.ready[who], np.inf))
        self.finish[who] = self.ready[who] + self.draws.next(who)

    def ages(self, closes: Floats, closed: int) -> Integers:
        if self.waits and self.first is None:
            return closed - self.read
        return np.asarray(closed - np.searchsorted(closes[1 : closed + 1], self.read_at, side="left"))


def _free(blocks: Floats, rules: Rules, seconds: float, *, waits: bool, leads: Floats | None) -> Course:
    """Nobody's work is tied to a round: offers wait for their turn. `blocks`: periods x steps of one x workers."""
    count, period = rules.workers, blocks.shape[1]
    workers = _Workers.begin(blocks, waits, leads)
    most = blocks.shape[0] * count
    closes = np.zeros(most + 1)
    work = np.zeros(most + 1)
    staleness: list[Integers] = []
    picky = not rules.accept(most)
    closed = 0
    while work[closed] < most and closed < most:
        if closed >= ENOUGH_ROUNDS and work[closed] * period >= ENOUGH_STEPS * count:
            break
        if picky:
            _drop(workers, rules, closes, closed)
        begins = max(float(np.partition(workers.ready, rules.quorum - 1)[rules.quorum - 1]), closes[closed])
        there = np.flatnonzero(workers.ready <= begins)
        if len(there) > rules.limit:
            there = there[np.argsort((there - closed) % count, kind="stable")[: rules.limit]]
        staleness.append(workers.ages(closes, closed)[there])
        closes[closed + 1] = begins + seconds
        work[closed + 1] = work[closed] + len(there)
        closed += 1
        workers.go_on(there, closes[closed], closed)
    steps = _steps(closes[: closed + 1], work[: closed + 1] * period / count)
    rounds = closed * count / (work[closed] * period)
    ages = np.concatenate(staleness)
    return Course(steps, period=1, staleness=tuple(ages[len(ages) // 5 :].tolist()), exchanges=rounds)


def _drop(workers: _Workers, rules: Rules, closes: Floats, closed: int) -> None:
    """Whose offer is too old reads the centre and begins anew, until a quorum of others is there."""
    while True:
        ages = workers.ages(closes, closed)
        old = np.array([not rules.accept(int(age)) for age in ages])
        standing = np.where(old, np.inf, workers.ready)
        until = max(float(np.partition(standing, rules.quorum - 1)[rules.quorum - 1]), closes[closed])
        gone = np.flatnonzero(old & (workers.ready <= until))
        if not len(gone):
            return
        workers.go_on(gone, np.maximum(workers.ready[gone], closes[closed]), closed)


def _steps(closes: Floats, work: Floats) -> Floats:
    """The time cut into pieces of equal work, the first tenth left out: there, workers still march in step."""
    begin = work[-1] / 10
    count = max(1, int(work[-1] - begin))
    marks = np.interp(np.linspace(begin, work[-1], count + 1), work, closes)
    return np.asarray(np.diff(marks) * (count / (work[-1] - begin)))
