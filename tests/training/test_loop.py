"""The loop, driven by a script and a clock of its own: when it evaluates, stops, saves, and what it calls time."""

import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from suite.data import Batch, Source, open_data
from suite.training import DivergenceWatch, Plan, Result, train
from tests.training.scripted import Clock, Scripted


def source(rank: int = 0, size: int = 1, batch_size: int = 100, **more: Any) -> Source:
    """1437 samples: 15 steps of 100 on one rank, the last one of 37."""
    return open_data("digits", split="train", batch_size=batch_size, rank=rank, size=size, seed=0, **more)


def held_out(rank: int = 0, size: int = 1) -> Source:
    return open_data("digits", split="test", batch_size=50, rank=rank, size=size, seed=0, limit=200)


def run(session: Scripted, plan: Plan, clock: Clock, **more: Any) -> Result:
    return train(session, more.pop("data", None) or source(), plan, clock=clock, **more)


def test_it_takes_exactly_the_steps_of_the_plan_over_several_epochs() -> None:
    clock = Clock()
    session = Scripted(clock=clock)
    result = run(session, Plan(steps=20), clock)
    assert session.steps_taken == 20 and result.verdict == "finished" and result.diverged is None
    assert [count for count, _ in session.read] == [100] * 14 + [37] + [100] * 5
    assert [call.first_step for call in result.calls] == list(range(20))


def test_evaluations_fall_on_fixed_sample_counts_whatever_the_batch_size() -> None:
    at = {}
    for batch_size in (10, 100):
        clock = Clock()
        plan = Plan(steps=1200 // batch_size, evaluate_every=500)
        result = run(Scripted(clock=clock), plan, clock, data=source(batch_size=batch_size), test=held_out())
        at[batch_size] = [one.point.samples for one in result.evaluations]
    assert at == {10: [500, 1000, 1200], 100: [500, 1000, 1200]}


def test_training_time_is_steps_alone_and_the_clock_is_ours() -> None:
    clock = Clock()
    plan = Plan(steps=10, evaluate_every=300, checkpoint=Path("x"), checkpoint_every=2)
    result = run(Scripted(clock=clock), plan, clock, test=held_out())
    assert [(one.point.step, one.point.seconds) for one in result.evaluations] == [
        (3, 3.0), (6, 6.0), (9, 9.0), (10, 10.0),
    ]  # fmt: skip
    assert {call.seconds for call in result.calls} == {1.0}


def test_what_runs_before_a_step_is_inside_its_time() -> None:
    clock = Clock()

    def straggle(step: int) -> None:
        clock.now += 0.5 if step == 3 else 0.0

    result = run(Scripted(clock=clock), Plan(steps=5), clock, before_step=straggle)
    assert [call.seconds for call in result.calls] == [1.0, 1.0, 1.0, 1.5, 1.0]


def test_it_stops_when_the_last_target_is_reached() -> None:
    clock = Clock()
    session = Scripted(clock=clock, accuracy=lambda step: min(1.0, step / 10))
    plan = Plan(steps=100, evaluate_every=100, targets=(0.3, 0.7), stop_at_targets=True)
    result = run(session, plan, clock, test=held_out())
    assert result.verdict == "reached every target" and session.steps_taken == 7
    assert [outcome.at and outcome.at.step for outcome in result.outcomes] == [3, 7]
    assert result.outcomes[1].at is not None and result.outcomes[1].at.seconds == 7.0


def test_a_target_never_reached_is_an_outcome() -> None:
    clock = Clock()
    plan = Plan(steps=5, evaluate_every=100, targets=(0.3, 0.9), stop_at_targets=True)
    result = run(Scripted(clock=clock, accuracy=lambda step: 0.5), plan, clock, test=held_out())
    assert result.verdict == "finished"
    assert [outcome.reached for outcome in result.outcomes] == [True, False]


def test_a_nan_ends_the_run_with_a_verdict_and_spares_the_last_good_checkpoint() -> None:
    clock = Clock()
    session = Scripted(clock=clock, loss=lambda step: math.nan if step >= 12 else 1.0)
    plan = Plan(steps=100, look_every=5, checkpoint=Path("x"), checkpoint_every=5)
    result = run(session, plan, clock)
    assert result.verdict == "diverged at step 12: the loss is nan"
    assert session.steps_taken == 15 and session.saved == [5, 10]


def test_a_diverged_run_is_not_evaluated_as_if_it_were_one() -> None:
    clock = Clock()
    session = Scripted(clock=clock, loss=lambda step: math.nan if step >= 2 else 1.0, accuracy=lambda step: 1.0)
    plan = Plan(steps=100, evaluate_every=400, targets=(0.5,), stop_at_targets=True)
    result = run(session, plan, clock, test=held_out())
    assert result.verdict == "diverged at step 2: the loss is nan"
    assert not result.evaluations and not result.outcomes[0].reached


def test_the_watch_may_be_replaced() -> None:
    clock = Clock()
    session = Scripted(clock=clock, loss=lambda step: 3.0 if step > 5 else 1.0)
    result = run(session, Plan(steps=20, look_every=1), clock, watch=DivergenceWatch(factor=2.0, patience=2))
    assert result.diverged is not None and result.diverged.step == 6


def test_several_steps_per_call_end_exactly_and_evaluate_after_the_call() -> None:
    clock = Clock()
    session = Scripted(clock=clock, steps_per_call=4)
    result = run(session, Plan(steps=10, evaluate_every=500), clock, test=held_out())
    assert [(call.first_step, call.steps) for call in result.calls] == [(0, 4), (4, 4), (8, 2)]
    assert [one.point.step for one in result.evaluations] == [8, 10]


def test_warm_up_marks_the_first_steps_of_this_process() -> None:
    clock = Clock()
    session = Scripted(clock=clock)
    session.load(Path("4"))
    result = run(session, Plan(steps=10, warm_up=3), clock)
    assert [call.first_step for call in result.calls if call.warm_up] == [4, 5, 6]


def test_a_resumed_run_reads_on_where_the_first_one_stopped() -> None:
    clock = Clock()
    whole, first, second = (Scripted(clock=clock) for _ in range(3))
    run(whole, Plan(steps=20), clock)
    run(first, Plan(steps=8), clock)
    second.load(Path("8"))
    run(second, Plan(steps=20), clock)
    assert first.seen + second.seen == whole.seen


def test_checkpoints_come_at_their_steps_and_at_the_end() -> None:
    clock = Clock()
    session = Scripted(clock=clock)
    run(session, Plan(steps=10, checkpoint=Path("x"), checkpoint_every=4), clock)
    assert session.saved == [4, 8, 10]
    only_last = Scripted(clock=clock)
    run(only_last, Plan(steps=10, checkpoint=Path("x")), clock)
    assert only_last.saved == [10]


class Meeting:
    """`exchange` for ranks that are threads of this process; fails instead of hanging if they do not all come."""

    def __init__(self, size: int) -> None:
        self._barrier = threading.Barrier(size, timeout=20)
        self._held: list[Any] = [None] * size
        self.count = 0

    def of(self, rank: int) -> Any:
        def exchange(mine: Any) -> Sequence[Any]:
            self._held[rank] = mine
            if self._barrier.wait() == 0:
                self.count += 1
            everybody = list(self._held)
            self._barrier.wait()
            return everybody

        return exchange


def together(
    sessions: Sequence[Scripted], plan: Plan, clock: Callable[[], float], batch_size: int = 100
) -> tuple[list[Result], Meeting]:
    size = len(sessions)
    meeting = Meeting(size)
    results: list[Any] = [None] * size

    def work(rank: int) -> None:
        results[rank] = train(
            sessions[rank],
            source(rank, size, batch_size),
            plan,
            test=held_out(rank, size),
            exchange=meeting.of(rank),
            finish=sessions[rank].finish,
            clock=clock,
        )

    threads = [threading.Thread(target=work, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=40)
    assert all(result is not None for result in results), "a rank is missing"
    return results, meeting


def test_one_ranks_divergence_ends_all_ranks_at_the_same_step_with_the_same_verdict() -> None:
    clock = Clock()
    sessions = [Scripted(clock=clock) for _ in range(3)]
    sessions[1] = Scripted(clock=clock, loss=lambda step: math.inf if step >= 7 else 1.0)
    results, _ = together(sessions, Plan(steps=100, look_every=10), clock)
    assert {result.verdict for result in results} == {"diverged at step 7: the loss is inf"}
    assert {session.steps_taken for session in sessions} == {10}


def test_ranks_count_their_parts_of_the_test_and_stop_together() -> None:
    clock = Clock()
    # Alone, rank 0 would stop at step 3 and rank 1 never: together they have seen enough at step 6.
    sessions = [
        Scripted(clock=clock, accuracy=lambda step: 1.0 if step >= 3 else 0.0),
        Scripted(clock=clock, accuracy=lambda step: 0.6 if step >= 6 else 0.0),
    ]
    plan = Plan(steps=100, evaluate_every=600, targets=(0.7,), stop_at_targets=True)
    results, _ = together(sessions, plan, clock)
    assert {session.steps_taken for session in sessions} == {6}
    for result in results:
        assert [one.evaluation.samples for one in result.evaluations] == [200, 200]
        assert [one.point.accuracy for one in result.evaluations] == pytest.approx([0.5, 0.8])
        assert [one.point.samples for one in result.evaluations] == [600, 1200]


def test_a_rank_out_of_samples_steps_on_with_weight_zero() -> None:
    clock = Clock()
    sessions = [Scripted(clock=clock) for _ in range(2)]
    together(sessions, Plan(steps=2), clock, batch_size=718)
    assert sessions[0].read == [(718, 1.0), (1, 2.0)]
    assert sessions[1].read == [(718, 1.0), (0, 0.0)]


def test_workers_with_copies_of_their_own_are_not_weighed() -> None:
    clock = Clock()
    sessions = [Scripted(clock=clock) for _ in range(2)]
    together(sessions, Plan(steps=2, weighted=False), clock, batch_size=718)
    assert [one.read for one in sessions] == [[(718, 1.0), (1, 1.0)], [(718, 1.0), (0, 0.0)]]


def test_meetings_are_no_more_than_asked_for_and_the_last_one_comes_after_finish() -> None:
    clock = Clock()
    sessions = [Scripted(clock=clock) for _ in range(2)]
    _, meeting = together(sessions, Plan(steps=60, evaluate_every=3000), clock)
    assert meeting.count == 4  # at 3000, 6000 and 9000 samples, and at the end: nothing else holds a rank up
    assert [one.finished_at for one in sessions] == [[60], [60]]


class Quorum:
    """Rounds of one second that close when two of three have offered; who left by `finish` is not waited for.

    All come back together, for each goes from `finish` into a meeting.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._active = {0, 1, 2}
        self._offers: set[int] = set()
        self._round = 0
        self.now = 0.0

    def offer(self, rank: int) -> None:
        with self._changed:
            self._offers.add(rank)
            mine = self._round
            self._close()
            assert self._changed.wait_for(lambda: self._round > mine, timeout=20), "waited for ranks in a meeting"

    def leave(self, rank: int) -> None:
        with self._changed:
            self._active.discard(rank)
            self._close()
            if not self._active:
                self._active = {0, 1, 2}
            self._changed.notify_all()

    def compute(self, seconds: float) -> None:
        """While the others close rounds, as long as none of them waits in a meeting."""
        with self._changed:
            end = self.now + seconds
            assert self._changed.wait_for(lambda: self.now >= end or len(self._active) < 3, timeout=20)
            self.now = max(self.now, end)

    def clock(self) -> float:
        return self.now

    def _close(self) -> None:
        if self._offers and len(self._offers) >= min(2, len(self._active)):
            self._offers.clear()
            self._round += 1
            self.now += 1.0
            self._changed.notify_all()


class InRounds(Scripted):
    """A rank whose step takes time and then waits for a round; with a straggler, ranks fall out of step."""

    def __init__(self, rank: int, quorum: Quorum, seconds: float) -> None:
        super().__init__(clock=Clock())
        self._rank, self._quorum, self._seconds = rank, quorum, seconds

    def steps(self, batches: Sequence[Batch], weights: Sequence[float] | None = None) -> list[float | None]:
        self._quorum.compute(self._seconds)
        self._quorum.offer(self._rank)
        return super().steps(batches, weights)

    def finish(self) -> None:
        super().finish()
        self._quorum.leave(self._rank)


def test_free_ranks_do_not_wait_for_the_slowest_and_share_the_work_of_the_plan() -> None:
    quorum = Quorum()
    sessions = [InRounds(rank, quorum, 10.0 if rank == 2 else 0.0) for rank in range(3)]
    results, meeting = together(sessions, Plan(steps=90, meet_every=50.0), quorum.clock)
    taken = [one.steps_taken for one in sessions]
    assert sum(taken) >= 3 * 90 and taken[2] < min(taken[:2]) / 4
    assert {result.verdict for result in results} == {"finished"}
    for session, result in zip(sessions, results, strict=True):
        assert len(session.finished_at) == meeting.count == len(result.evaluations)
        last = result.evaluations[-1].point
        assert last.samples == sum(samples for one in sessions for samples, _ in one.read)
        assert last.step == session.steps_taken
        assert {weight for _, weight in session.read} == {1.0}


def test_free_ranks_stop_together_at_a_target_and_at_a_divergence() -> None:
    for change, said in (
        ({"accuracy": lambda step: 1.0}, "reached every target"),
        ({"loss": lambda step: math.nan if step > 3 else 1.0}, "diverged at step 4: the loss is nan"),
    ):
        clock = Clock()
        sessions = [Scripted(clock=clock, **(change if rank == 1 else {})) for rank in range(2)]  # type: ignore[arg-type]
        plan = Plan(steps=10**6, meet_every=20.0, targets=(0.5,), stop_at_targets=True)
        results, _ = together(sessions, plan, clock)
        assert {result.verdict for result in results} == {said}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": 0}, "steps = 0: at least 1"),
        ({"warm_up": -1}, "warm_up = -1"),
        ({"evaluate_every": 0}, "evaluate_every = 0"),
        ({"look_every": 0}, "look_every = 0"),
        ({"checkpoint_every": 0}, "checkpoint_every = 0"),
        ({"targets": (0.9, 0.5)}, "must ascend"),
        ({"meet_every": 0.0}, "meet_every = 0.0: more than 0 seconds"),
        ({"meet_every": math.nan}, "meet_every = nan"),
        ({"meet_every": 1.0, "evaluate_every": 100}, "free ranks share no update number"),
        ({"meet_every": 1.0, "look_every": 100}, "free ranks share no update number"),
    ],
)
def test_bad_plans_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Plan(**{"steps": 10, **change})


def test_targets_need_something_to_be_measured_on() -> None:
    clock = Clock()
    with pytest.raises(ValueError, match="targets without a test source"):
        run(Scripted(clock=clock), Plan(steps=1, targets=(0.5,)), clock)
