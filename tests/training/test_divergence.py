"""Divergence: NaN, infinity and explosion are verdicts; ordinary losses are not."""

import math
import pickle

import numpy as np
import pytest

from suite.training import Diverged, DivergenceWatch, earliest


def verdict(losses: list[float], **options: float) -> Diverged | None:
    watch = DivergenceWatch(**options)  # type: ignore[arg-type]
    for step, loss in enumerate(losses):
        watch.look(step, loss)
    return watch.verdict


@pytest.mark.parametrize(("bad", "word"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_nan_and_infinity_at_once(bad: float, word: str) -> None:
    found = verdict([2.3, 2.2, bad, 2.0])
    assert found is not None and str(found) == f"diverged at step 2: the loss is {word}"


def test_an_explosion_counts_from_where_it_began_once_it_lasts() -> None:
    assert verdict([2.3] * 10 + [30.0] * 4) is None
    found = verdict([2.3] * 10 + [30.0] * 5)
    assert found is not None and found.step == 10
    assert "above 23 for 5 steps" in str(found)


def test_an_explosion_within_the_first_steps_is_seen() -> None:
    found = verdict([2.3, 40.0, 900.0, 1e5, 1e7, 1e9, 1e11])
    assert found is not None and found.step == 1


def test_single_spikes_and_ordinary_noise_are_not_divergence() -> None:
    noise = np.random.default_rng(0)
    assert verdict([*(2.3 * noise.lognormal(sigma=0.5, size=500)), 1e6, 2.0, 1e6, 2.0]) is None


def test_a_start_near_zero_leaves_room() -> None:
    assert verdict([1e-4] * 5 + [5.0] * 50) is None


def test_the_first_verdict_stands() -> None:
    watch = DivergenceWatch()
    watch.look(3, math.nan)
    watch.look(4, 2.0)
    assert watch.verdict is not None and watch.verdict.step == 3


def test_the_earliest_of_all_ranks_decides() -> None:
    late, early = Diverged(9, math.inf, "the loss is inf"), Diverged(4, math.inf, "the loss is inf")
    assert earliest([None, late, early]) == early
    assert earliest([None, None]) is None
    assert pickle.loads(pickle.dumps(early)) == early


@pytest.mark.parametrize("options", [{"factor": 1.0}, {"factor": math.nan}, {"patience": 0}])
def test_bad_settings_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        DivergenceWatch(**options)  # type: ignore[arg-type]
