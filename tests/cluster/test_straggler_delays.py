"""The delays themselves: their distributions against SciPy's, their seeds, their correlations, their injection."""

import itertools
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from suite.cluster.stragglers import Injector, parse

RANDOM = (
    "exponential:mean=0.2s",
    "lognormal:sigma=0.8,mean=0.2s",
    "pareto:alpha=2.5,mean=0.2s",
    "bimodal:probability=0.2,slow=1s",
)
# A wrong sequence fails with near certainty, a right one always passes: the seed is fixed.
SEED = 7


def take(text: str, count: int, rank: int = 0, size: int = 4, seed: int = SEED) -> list[float]:
    return list(itertools.islice(parse(text).delays(rank, size, seed), count))


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("exponential:mean=0.2s", stats.expon(scale=0.2)),
        ("lognormal:sigma=0.8,mean=0.2s", stats.lognorm(s=0.8, scale=0.2 / np.exp(0.8**2 / 2))),
        ("pareto:alpha=2.5,mean=0.2s", stats.lomax(c=2.5, scale=0.2 * 1.5)),
    ],
)
@pytest.mark.parametrize("more", ["", ",correlation=0.6", ",persistence=0.5", ",correlation=0.3,persistence=0.3"])
def test_the_distribution_is_what_its_name_says(text: str, law: object, more: str) -> None:
    """Also when ranks or steps are correlated: every 20th delay is then all but independent."""
    assert law.mean() == pytest.approx(0.2)  # type: ignore[attr-defined]
    delays = take(text + more, 40_000)[:: 20 if more else 4]
    assert stats.kstest(delays, law.cdf).pvalue > 0.01  # type: ignore[attr-defined]
    wrong = [delay * 1.2 for delay in delays]
    assert stats.kstest(wrong, law.cdf).pvalue < 1e-4  # type: ignore[attr-defined]


@pytest.mark.parametrize("probability", [0.0, 0.05, 1.0])
def test_bimodal_is_slow_as_often_as_it_says(probability: float) -> None:
    delays = take(f"bimodal:probability={probability},slow=3s", 10_000)
    assert set(delays) <= {0.0, 3.0}
    slow = delays.count(3.0)
    assert stats.binomtest(slow, len(delays), probability).pvalue > 0.01


@pytest.mark.parametrize("text", RANDOM)
def test_the_same_seed_gives_the_same_delays_and_another_others(text: str) -> None:
    assert take(text, 500) == take(text, 500)
    assert take(text, 500) != take(text, 500, seed=SEED + 1)
    assert take(text, 500) != take(text, 500, rank=1)
    # One rank's delays do not depend on how many others there are, so runs of several sizes are comparable.
    assert take(text, 500, size=2) == take(text, 500, size=16)


@pytest.mark.parametrize("text", RANDOM)
@given(st.integers(0, 2**63), st.integers(0, 7))
def test_delays_are_never_negative_nor_infinite(text: str, seed: int, rank: int) -> None:
    delays = take(text, 300, rank=rank, size=8, seed=seed)
    assert np.isfinite(delays).all()
    assert min(delays) >= 0


def normals(text: str, rank: int) -> np.ndarray:
    """The normal numbers behind lognormal delays, whose correlations are the ones asked for."""
    return np.log(take(text, 20_000, rank=rank))


@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.9])
def test_ranks_are_correlated_as_asked(correlation: float) -> None:
    text = f"lognormal:sigma=1,mean=1s,correlation={correlation}"
    between = np.corrcoef([normals(text, rank) for rank in range(3)])
    assert between[np.triu_indices(3, 1)] == pytest.approx([correlation] * 3, abs=0.03)


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9])
def test_steps_are_correlated_as_asked(persistence: float) -> None:
    series = normals(f"lognormal:sigma=1,mean=1s,persistence={persistence}", rank=2)
    for lag in (1, 3):
        assert np.corrcoef(series[:-lag], series[lag:])[0, 1] == pytest.approx(persistence**lag, abs=0.03)
    assert series.std() == pytest.approx(1, abs=0.05)


def test_pauses_come_in_every_nth_step() -> None:
    assert take("pause:every=4,length=2s", 9) == [0, 0, 0, 2, 0, 0, 0, 2, 0]
    assert take("pause:every=1,length=2s", 3) == [2, 2, 2]


def test_a_trace_is_replayed_from_the_start_again(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("# seconds\n0.1,1\n0.2,2\n0.3,3\n")
    text = f"trace:file={file}"
    assert take(text, 5, rank=0, size=2) == [0.1, 0.2, 0.3, 0.1, 0.2]
    assert take(text, 4, rank=1, size=2) == [1, 2, 3, 1]
    assert parse(text + ",unit=compute").unit == "compute"


def test_only_the_named_ranks_are_slow() -> None:
    for rank in range(4):
        delays = take("exponential:mean=1s,rank=1+2", 50, rank=rank)
        assert (sum(delays) > 0) == (rank in (1, 2))


class Clock:
    """Time passes by sleeping, and every sleep takes 10 % longer than asked."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds * 1.1


def injector(text: str | None, rank: int = 0) -> Injector:
    clock = Clock()
    return Injector(parse(text) if text else None, rank, 4, SEED, sleep=clock.sleep, clock=clock)


def test_a_factor_stretches_what_was_computed() -> None:
    subject = injector("constant:factor=3")
    assert [subject.inject(seconds) for seconds in (0.1, 0.5)] == pytest.approx([0.22, 1.1])
    done = subject.injected()
    assert done.asked == pytest.approx((0.2, 1.0))
    assert done.measured == pytest.approx((0.22, 1.1))
    assert done.excess == pytest.approx(0.1)
    assert done.clipped == 0


def test_seconds_do_not_depend_on_the_compute() -> None:
    subject = injector("constant:delay=50ms")
    for seconds in (0.1, 5.0):
        subject.inject(seconds)
    assert subject.injected().asked == (0.05, 0.05)


def test_a_delay_beyond_the_limit_is_cut_off_and_counted() -> None:
    subject = injector("constant:factor=11,limit=2s")
    for seconds in (0.1, 0.2, 0.5, 5.0):
        subject.inject(seconds)
    assert subject.injected().asked == pytest.approx((1, 2, 2, 2))
    assert subject.injected().clipped == 2


def test_the_account_is_what_the_straggler_says() -> None:
    text = "lognormal:sigma=1,mean=20ms,rank=2"
    subject = injector(text, rank=2)
    for _ in range(10):
        subject.inject(0.1)
    assert list(subject.injected().asked) == take(text, 10, rank=2)


@pytest.mark.parametrize("text", [None, "constant:factor=3,rank=1", "quota:cores=0.5"])
def test_a_rank_that_is_not_slowed_sleeps_not_at_all(text: str | None) -> None:
    def never(seconds: float) -> None:
        raise AssertionError("slept")

    subject = Injector(parse(text) if text else None, 0, 4, SEED, sleep=never)
    assert subject.inject(1.0) == 0.0
    assert subject.injected().excess is None
    assert sum(subject.injected().asked) == 0


def test_a_delay_that_ends_early_is_asked_in_full_and_measured_as_it_was() -> None:
    clock = Clock()

    def woken(seconds: float) -> bool:
        clock.now += min(seconds, 0.03)
        return True

    subject = Injector(parse("constant:delay=50ms"), 0, 4, SEED, sleep=woken, clock=clock)
    assert subject.inject(0.1) == pytest.approx(0.03)
    assert subject.injected().asked == (0.05,)
    assert subject.injected().measured == pytest.approx((0.03,))


def test_a_rank_that_is_late_is_delayed_no_longer() -> None:
    late = threading.Event()
    subject = Injector(parse("constant:delay=30s"), 0, 4, SEED, sleep=late.wait)
    threading.Timer(0.1, late.set).start()
    assert 0.09 < subject.inject(1.0) < 10
