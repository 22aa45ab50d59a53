"""A watched session does what it did unwatched, and every second of a step is put down to something."""

from __future__ import annotations

import math

import numpy as np
import pytest

from algorithms.mechanisms.telemetry import Telemetry
from suite.cluster import stragglers
from suite.cluster.stragglers import Injector
from suite.rank.observer import Compute, Observer, Stopwatch
from suite.rank.samples import RankWriter, Step, read_rank
from suite.training.evaluation import Evaluation

BATCH = (np.zeros((2, 1), np.float32), np.zeros(2, np.int64))


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def pass_(self, seconds):
        self.now += seconds


class Session:
    framework = "fake"

    def __init__(self, clock, counted=None, seconds=0.1, blocked=0.03, update=0.02, updating=None, per_call=1):
        self.clock, self.seconds, self.blocked, self.update = clock, seconds, blocked, update
        self.updating, self.counted = updating, counted if counted is not None else {"exposed": 0.0}
        self.steps_taken, self.steps_per_call = 0, per_call

    def steps(self, batches, weights=None):
        for _ in batches:
            self.clock.pass_(self.seconds)
            self.counted["exposed"] += self.blocked
            if self.updating:
                self.updating.add(self.update)
        self.steps_taken += len(batches)
        return [1.5] * len(batches)

    def evaluate(self, batches):
        self.clock.pass_(1.0)
        return Evaluation(samples=4, loss_sum=2.0, top1_count=3, top5_count=4)


def observed(tmp_path, clock, session, **options):
    writer = RankWriter(tmp_path, 0)
    counted = session.counted
    telemetry = options.pop("telemetry", lambda: Telemetry(exposed_seconds=counted["exposed"], bytes_sent=7))
    observer = Observer(
        session, writer, telemetry=telemetry, samples_at=lambda step: 10 * step, warmup=1, clock=clock, **options
    )
    observer.start()
    return observer, writer


def take(observer, count, per_call=1):
    for _ in range(count):
        observer.before_step(observer.steps_taken)
        observer.steps([BATCH] * per_call)


def test_parts_of_a_step_add_up(tmp_path):
    clock, updating = Clock(), Stopwatch()
    observer, writer = observed(tmp_path, clock, Session(clock, updating=updating), updating=updating)
    take(observer, 3)
    steps = read_rank(writer.path).steps
    assert [step.warmup for step in steps] == [True, False, False]
    assert [step.started for step in steps] == pytest.approx([0.0, 0.1, 0.2])
    for step in steps:
        assert (step.seconds, step.blocked, step.update) == pytest.approx((0.1, 0.03, 0.02))
        assert step.compute == pytest.approx(0.05)
        assert step.loss == 1.5


def test_without_a_count_nothing_is_claimed(tmp_path):
    clock = Clock()
    observer, writer = observed(tmp_path, clock, Session(clock), telemetry=lambda: None)
    take(observer, 2)
    (_, step) = read_rank(writer.path).steps
    assert math.isnan(step.compute)
    assert math.isnan(step.blocked)
    assert math.isnan(step.vote)
    assert step.seconds == pytest.approx(0.1)


def test_unrolled_steps_share_their_call(tmp_path):
    clock = Clock()
    observer, writer = observed(tmp_path, clock, Session(clock, per_call=4))
    take(observer, 2, per_call=4)
    steps = read_rank(writer.path).steps
    assert [step.number for step in steps] == list(range(8))
    assert [step.seconds for step in steps] == pytest.approx([0.1] * 8)
    assert steps[5].started == pytest.approx(0.5)


def slowed(text, clock, rank=0):
    return Injector(stragglers.parse(text), rank, 2, 0, sleep=clock.pass_, clock=clock)


def test_a_straggler_is_delayed_before_its_step_and_the_delay_is_part_of_it(tmp_path):
    clock = Clock()
    injector = slowed("constant:delay=0.25s", clock)
    observer, writer = observed(tmp_path, clock, Session(clock), injector=injector)
    take(observer, 2)
    for step in read_rank(writer.path).steps:
        assert (step.seconds, step.injected, step.asked) == pytest.approx((0.35, 0.25, 0.25))
        assert step.compute == pytest.approx(0.07)


def test_a_factor_multiplies_the_replayed_computation(tmp_path):
    clock = Clock()
    observer, writer = observed(
        tmp_path, clock, Session(clock), injector=slowed("constant:factor=4", clock), compute=0.07
    )
    take(observer, 2)
    assert [step.injected for step in read_rank(writer.path).steps] == pytest.approx([0.21, 0.21])


def test_a_factor_multiplies_what_was_computed_before_and_does_not_feed_on_waiting(tmp_path):
    clock = Clock()
    observer, writer = observed(tmp_path, clock, Session(clock), injector=slowed("constant:factor=3", clock))
    take(observer, 20)
    injected = [step.injected for step in read_rank(writer.path).steps]
    assert injected[0] == 0
    assert injected[1:] == pytest.approx([2 * 0.07] * 19)


def test_a_step_that_was_left_early_says_nothing_of_the_computation(tmp_path):
    """Every second one is given up after 10 ms, the whole ones compute for 70."""
    clock = Clock()
    session = Session(clock, blocked=0.0, seconds=0.07)
    whole = session.steps
    given_up = 0

    def steps(batches, weights=None):
        nonlocal given_up
        if session.steps_taken % 2 == 0:
            return whole(batches, weights)
        clock.pass_(0.01)
        session.steps_taken += 1
        given_up += 1
        return [None]

    session.steps = steps
    observer, writer = observed(
        tmp_path,
        clock,
        session,
        injector=slowed("constant:factor=3", clock),
        telemetry=lambda: Telemetry(given_up=given_up),
    )
    take(observer, 6)
    found = read_rank(writer.path).steps
    assert [step.injected for step in found[1:]] == pytest.approx([0.14] * 5)
    assert [math.isnan(step.loss) for step in found] == [False, True] * 3
    assert [step.seconds for step in found[1:3]] == pytest.approx([0.15, 0.21])


def test_where_waiting_is_not_known_the_shortest_step_is_the_guess():
    compute = Compute(None)
    assert compute.expected == 0
    for seconds in (0.5, 0.2, 0.9):
        compute.add(seconds, exact=False)
    assert compute.expected == 0.2
    assert Compute(0.4).expected == 0.4


def test_an_evaluation_is_written_down_and_is_no_training_time(tmp_path):
    clock = Clock()
    observer, writer = observed(tmp_path, clock, Session(clock))
    take(observer, 2)
    observer.evaluate([])
    take(observer, 1)
    found = read_rank(writer.path)
    (part,) = found.evaluations
    assert (part.step, part.seen, part.bytes_sent) == (2, 20, 7)
    assert (part.seconds, part.wall_seconds) == pytest.approx((0.2, 1.2))
    assert found.steps[2].started == pytest.approx(1.2)


def test_a_step_survives_its_file(tmp_path):
    writer = RankWriter(tmp_path, 0)
    before = Step(3, True, 1.2345678, 0.1, 2.5, 0.05, math.nan, 0.01, 0.02, 0.03, 0.04)
    writer.step(before)
    (after,) = read_rank(writer.path).steps
    assert str(after) == str(before)


def test_votes_are_written_down_where_they_are_known(tmp_path):
    clock = Clock()
    session = Session(clock)
    voted = iter((0.01, 0.01, 0.03))

    def telemetry():
        return Telemetry(exposed_seconds=session.counted["exposed"], exposed_vote_seconds=next(voted))

    observer, writer = observed(tmp_path, clock, session, telemetry=telemetry)
    take(observer, 3)
    assert [step.vote for step in read_rank(writer.path).steps] == pytest.approx([0.01, 0.0, 0.02])


def test_what_an_evaluation_waited_for_is_no_part_of_the_next_step(tmp_path):
    clock = Clock()
    session = Session(clock)
    observer, writer = observed(tmp_path, clock, session)
    take(observer, 1)
    evaluate = session.evaluate

    def waits(batches):
        session.counted["exposed"] += 0.5
        return evaluate(batches)

    session.evaluate = waits
    observer.evaluate([])
    take(observer, 1)
    assert [step.blocked for step in read_rank(writer.path).steps] == pytest.approx([0.03, 0.03])
