"""The partition: disjoint, complete, fixed, seeded; equal step counts; weights that make the plain average exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.data import Sharding

shardings = st.builds(
    Sharding,
    samples=st.integers(1, 70),
    size=st.integers(1, 9),
    batch_size=st.integers(1, 20),
    seed=st.integers(0, 3),
    shuffle=st.booleans(),
)


@settings(deadline=None)  # a busy machine is no finding
@given(shardings, st.integers(0, 3))
def test_parts_are_disjoint_and_cover_every_sample_in_every_epoch(sharding: Sharding, epoch: int) -> None:
    read = np.concatenate([sharding.order(rank, epoch) for rank in range(sharding.size)])
    assert sorted(read) == list(range(sharding.samples))


@settings(deadline=None)  # a busy machine is no finding
@given(shardings)
def test_a_rank_keeps_its_part_in_every_epoch(sharding: Sharding) -> None:
    for rank in range(sharding.size):
        assert set(sharding.order(rank, 0)) == set(sharding.order(rank, 5)) == set(sharding.owned(rank))
        assert len(sharding.owned(rank)) == sharding.owned_count(rank)


@settings(deadline=None)  # a busy machine is no finding
@given(shardings)
def test_the_steps_of_an_epoch_hold_exactly_each_ranks_part(sharding: Sharding) -> None:
    for rank in range(sharding.size):
        counts = [sharding.count(rank, step) for step in range(sharding.steps_per_epoch)]
        assert sum(counts) == sharding.owned_count(rank)
        assert counts == sorted(counts, reverse=True)
    assert all(sharding.total(step) >= 1 for step in range(sharding.steps_per_epoch))


@settings(deadline=None)  # a busy machine is no finding
@given(shardings)
def test_weighted_means_averaged_over_ranks_are_the_mean_over_samples(sharding: Sharding) -> None:
    values = np.random.default_rng(1).normal(size=sharding.samples)
    for step in range(sharding.steps_per_epoch):
        batches = [
            values[sharding.order(rank, 0)][step * sharding.batch_size : (step + 1) * sharding.batch_size]
            for rank in range(sharding.size)
        ]
        means = [sharding.weight(rank, step) * (part.mean() if part.size else 0.0) for rank, part in enumerate(batches)]
        assert np.mean(means) == pytest.approx(np.concatenate(batches).mean())


@settings(deadline=None)  # a busy machine is no finding
@given(shardings, st.integers(0, 40))
def test_samples_until_counts_what_was_read(sharding: Sharding, steps: int) -> None:
    read = sum(sharding.total(step % sharding.steps_per_epoch) for step in range(steps))
    assert sharding.samples_until(steps) == read


def test_full_steps_weigh_exactly_one() -> None:
    sharding = Sharding(samples=103, size=4, batch_size=8, seed=0)
    assert [sharding.weight(rank, 0) for rank in range(4)] == [1.0] * 4


def test_fewer_samples_than_ranks_gives_empty_batches_not_missing_steps() -> None:
    sharding = Sharding(samples=3, size=5, batch_size=4, seed=0)
    assert sharding.steps_per_epoch == 1
    assert [sharding.count(rank, 0) for rank in range(5)] == [1, 1, 1, 0, 0]
    assert [sharding.weight(rank, 0) for rank in range(5)] == pytest.approx([5 / 3] * 3 + [0, 0])


def test_dropping_short_batches_leaves_only_full_ones() -> None:
    sharding = Sharding(samples=43, size=4, batch_size=5, seed=0, last="drop")
    assert sharding.steps_per_epoch == 2
    assert {sharding.count(rank, step) for rank in range(4) for step in range(2)} == {5}
    assert sharding.samples_until(3) == 3 * 4 * 5


def test_dropping_everything_is_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match=r"batch_size = 16: .* 4 parts of 43 samples holds 10"):
        Sharding(samples=43, size=4, batch_size=16, seed=0, last="drop")


def test_the_seed_moves_the_partition_and_the_epoch_moves_the_order() -> None:
    one, other = (Sharding(samples=100, size=2, batch_size=10, seed=seed) for seed in (0, 1))
    assert set(one.owned(0)) != set(other.owned(0))
    assert list(one.order(0, 0)) != list(one.order(0, 1))
    assert list(one.order(0, 1)) == list(one.order(0, 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"samples": 0}, "samples = 0"),
        ({"size": 0}, "size = 0"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"seed": -1}, "seed = -1"),
        ({"last": "wrap"}, "last = 'wrap'"),
    ],
)
def test_bad_numbers_are_refused_with_value_and_range(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Sharding(**{"samples": 10, "size": 2, "batch_size": 2, "seed": 0, **change})  # type: ignore[arg-type]


def test_a_rank_outside_the_job_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rank = 2: 0 <= rank < 2"):
        Sharding(samples=10, size=2, batch_size=2, seed=0).owned(2)
