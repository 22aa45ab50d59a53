"""What every wire format promises, whoever carries it: nothing is lost that is not remembered, and nothing overflows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as arrays_of

from algorithms.virtual.carriage import Carriage, in_step
from algorithms.wire import FORMATS, FP16, NONE, Format, Int16, PowerSGD
from algorithms.wire.arrays import NumPyArrays
from algorithms.wire.format import Crossing, Landed, Leg, Memory, Shape, elements
from algorithms.wire.int16 import SMALLEST, out_of_pairs

SHAPES: list[Shape] = [(1,), (13,), (5, 7), (12, 12)]
EACH: list[Format] = [kind() for kind in FORMATS.values()] + [PowerSGD(rank=1)]
HALF_MAX = 65504.0


def numbers(largest: float) -> Any:
    return st.floats(-largest, largest, width=32)


def cross(
    form: Format, parts: Sequence[Any], shape: Shape, memories: Sequence[Memory] = ()
) -> tuple[list[Landed], list[list[Leg]]]:
    """One exchange of one unit; what came of it for each worker, and what each had on the wire."""
    crossing = Crossing(workers=len(parts), shape=shape, mean=True)
    basis = form.basis(shape, 0)
    fresh = Memory(
        np.zeros_like(parts[0]) if form.leaves(shape) else None, None if basis is None else basis.astype(parts[0].dtype)
    )
    sent: list[list[Leg]] = [[] for _ in parts]

    def noted(worker: int, part: Any) -> Any:
        journey = form.journey(part, memories[worker] if memories else fresh, crossing, NumPyArrays())
        leg = next(journey)
        while True:
            sent[worker].append(Leg(leg.array.copy(), leg.reduce))
            reduced = yield leg
            try:
                leg = journey.send(reduced)
            except StopIteration as end:
                return end.value

    return in_step([noted(worker, part) for worker, part in enumerate(parts)], NumPyArrays()), sent


@st.composite
def gradients(draw: Any, largest: float = 1000.0, workers: int = 5) -> tuple[list[Any], Shape]:
    shape = draw(st.sampled_from(SHAPES))
    count = draw(st.integers(1, workers))
    return [draw(arrays_of(np.float32, elements(shape), elements=numbers(largest))) for _ in range(count)], shape


@pytest.mark.parametrize("form", EACH, ids=str)
@given(given_=gradients())
def test_all_workers_land_with_the_same_bits(form: Format, given_: tuple[list[Any], Shape]) -> None:
    landed, _ = cross(form, *given_)
    assert all(np.array_equal(end.result, landed[0].result) for end in landed)


@pytest.mark.parametrize("form", EACH, ids=str)
@given(given_=gradients())
def test_what_travels_is_as_many_bytes_as_declared(form: Format, given_: tuple[list[Any], Shape]) -> None:
    parts, shape = given_
    _, sent = cross(form, parts, shape)
    assert {sum(leg.array.nbytes for leg in legs) for legs in sent} == {form.bytes(shape, 4)}


@pytest.mark.parametrize("form", EACH, ids=str)
@given(given_=gradients())
def test_what_lands_and_what_is_left_add_up_to_what_was_given(form: Format, given_: tuple[list[Any], Shape]) -> None:
    """Linearity: the mean of the workers' gradients is the mean that lands and the mean of the residuals."""
    parts, shape = given_
    if not form.leaves(shape):
        return
    landed, _ = cross(form, parts, shape)
    mean = np.mean(np.array(parts, np.float64), axis=0)
    left = np.mean(np.array([end.memory.residual for end in landed], np.float64), axis=0)
    scale = max(float(np.abs(parts).max()), 1e-30)
    # Every number was rounded a few times in float32, sums of a row or column of a dozen numbers among them.
    assert np.abs(landed[0].result + left - mean).max() <= scale * 2e-5


@given(given_=gradients(), steps=st.integers(1, 4))
def test_int16_sends_and_keeps_a_number_to_the_last_bit(given_: tuple[list[Any], Shape], steps: int) -> None:
    parts, shape = given_
    memories = [Memory(np.zeros_like(parts[0])) for _ in parts]
    for _ in range(steps):
        landed, sent = cross(Int16(), parts, shape, memories)
        highest = np.max([legs[0].array for legs in sent], axis=0)
        limit = 32767 // len(parts)
        step = highest / limit
        for part, before, end, legs in zip(parts, memories, landed, sent, strict=True):
            counts = out_of_pairs(legs[1].array, limit, part, NumPyArrays())
            assert np.array_equal(counts * step + end.memory.residual, part + before.residual)
        memories = [end.memory for end in landed]


@given(given_=gradients(largest=float(np.finfo(np.float32).max) / 8))
def test_int16_sums_fit_into_16_bits(given_: tuple[list[Any], Shape]) -> None:
    parts, shape = given_
    limit, arrays = 32767 // len(parts), NumPyArrays()
    _, sent = cross(Int16(), parts, shape)
    apart = sum(out_of_pairs(legs[1].array, limit, parts[0], arrays) for legs in sent)
    summed = np.sum([legs[1].array for legs in sent], axis=0, dtype=np.int32)
    assert np.abs(apart).max() <= 32767
    assert np.array_equal(out_of_pairs(summed, limit * len(parts), parts[0], arrays), apart)


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 64, 127, 300])
def test_fp16_does_not_overflow_where_every_number_fits(workers: int) -> None:
    landed, _ = cross(FP16(), [np.full(3, HALF_MAX, np.float32)] * workers, (3,))
    assert np.allclose(landed[0].result, HALF_MAX, rtol=workers * 2**-11)


@given(given_=gradients(largest=HALF_MAX, workers=8))
def test_fp16_is_finite_wherever_numbers_fit_into_it(given_: tuple[list[Any], Shape]) -> None:
    parts, shape = given_
    landed, _ = cross(FP16(), parts, shape)
    rounded = len(parts) * 2**-10 * np.abs(parts).max() + 2**-20
    assert np.abs(landed[0].result - np.mean(parts, axis=0, dtype=np.float64)).max() <= rounded


@given(workers=st.integers(1, 8), values=arrays_of(np.int16, 8, elements=st.integers(-64, 64)))
def test_fp16_adds_small_whole_numbers_exactly(workers: int, values: Any) -> None:
    """Linearity: what is coded apart and added up is what would have been coded together."""
    parts = [(values * worker).astype(np.float32) for worker in range(workers)]
    carried = Carriage(FP16(), workers, [(8,)], NumPyArrays(), mean=False)
    assert np.array_equal(carried(parts), np.sum(parts, axis=0))


@pytest.mark.parametrize("form", EACH, ids=str)
@given(given_=gradients(workers=1))
def test_a_worker_alone_gets_its_own_but_for_rounding(form: Format, given_: tuple[list[Any], Shape]) -> None:
    parts, shape = given_
    (end,), _ = cross(form, parts, shape)
    largest = float(np.abs(parts[0]).max())
    allowed = {
        "none": 0.0,
        "fp16": largest * 2**-11 + 2**-24,  # half of the last of 11 bits, or of the smallest number, times two
        "int16": largest / 32767 * 0.501 if largest / 32767 > SMALLEST else largest,  # below it everything waits
        "powersgd": 0.0 if not form.leaves(shape) else math.inf,  # of a matrix it is a part: the next test
    }[form.name]
    assert np.abs(end.result - parts[0]).max() <= allowed


@given(seed=st.integers(0, 2**31), rank=st.integers(1, 4), workers=st.integers(1, 3))
def test_powersgd_loses_nothing_of_matrices_of_its_rank(seed: int, rank: int, workers: int) -> None:
    draw = np.random.default_rng(seed)
    left = draw.standard_normal((20, rank))
    parts = [(left @ draw.standard_normal((rank, 15))).ravel() for _ in range(workers)]
    landed, _ = cross(PowerSGD(rank=rank), parts, (20, 15))
    assert np.allclose(landed[0].result, np.mean(parts, axis=0), atol=1e-8)


def test_powersgd_comes_to_the_best_approximation_by_its_warm_start() -> None:
    draw = np.random.default_rng(0)
    u, _, v = np.linalg.svd(draw.standard_normal((30, 20)), full_matrices=False)
    matrix = u @ np.diag(0.7 ** np.arange(20)) @ v
    best = u[:, :2] @ np.diag(0.7 ** np.arange(2)) @ v[:2]
    memory = Memory(np.zeros(600), PowerSGD(rank=2).basis((30, 20), 0))
    distances = []
    for _ in range(40):
        (end,), _ = cross(PowerSGD(rank=2), [matrix.ravel()], (30, 20), [memory])
        distances.append(np.linalg.norm(end.result.reshape(30, 20) - best))
        memory = Memory(np.zeros(600), end.memory.basis)  # without feedback the matrix stays the same
    assert distances[0] > 0.1
    assert distances[-1] < 1e-6


@pytest.mark.parametrize("form", [form for form in EACH if form.feeds_back], ids=str)
def test_what_is_left_behind_arrives_in_the_end(form: Format) -> None:
    """A gradient that stays the same: what has landed after many steps is the gradient that often, but for one residual."""
    draw = np.random.default_rng(3)
    parts = [draw.standard_normal(144).astype(np.float32) for _ in range(3)]
    carried = Carriage(form, 3, [(12, 12)], NumPyArrays(), mean=True)
    total = sum(carried(parts).astype(np.float64) for _ in range(200)) / 200
    assert np.abs(total - np.mean(parts, axis=0)).max() < 0.15


@pytest.mark.parametrize("form", EACH, ids=str)
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("shape", SHAPES[1:])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_not_finite_is_so_for_everybody_and_is_not_remembered(form: Format, bad: float, shape: Shape) -> None:
    """A loss scaler on every rank then leaves out the same step."""
    good = np.linspace(-1, 1, elements(shape)).astype(np.float32)
    spoilt = good.copy()
    spoilt[3] = bad
    landed, _ = cross(form, [good, spoilt], shape)
    assert not np.isfinite(landed[0].result).all()
    for end in landed:
        if form.leaves(shape):
            assert np.array_equal(end.memory.residual, np.zeros_like(good))
        if end.memory.basis is not None:
            assert np.array_equal(end.memory.basis, form.basis(shape, 0).astype(np.float32))  # type: ignore[union-attr]


@pytest.mark.parametrize("form", EACH, ids=str)
def test_zeros_stay_zeros_and_the_next_exchange_lives(form: Format) -> None:
    carried = Carriage(form, 2, [(12, 12)], NumPyArrays(), mean=True)
    zero, one = np.zeros(144, np.float32), np.ones(144, np.float32)
    assert np.array_equal(carried([zero, zero]), zero)
    assert np.allclose(carried([one, one]), one, rtol=1e-3)


@pytest.mark.parametrize("form", EACH, ids=str)
def test_a_worker_without_anything_to_send_keeps_what_it_remembers(form: Format) -> None:
    draw = np.random.default_rng(5)
    part = draw.standard_normal(144).astype(np.float32)
    carried = Carriage(form, 2, [(12, 12)], NumPyArrays(), mean=False)
    carried([part, part * 0.3])
    before = {key: memory.residual for key, memory in carried.memories.items()}
    carried([part, None])
    after = {key: memory.residual for key, memory in carried.memories.items()}
    assert np.array_equal(after[1, 0, 0], before[1, 0, 0])
    if form.feeds_back:
        assert not np.array_equal(after[0, 0, 0], before[0, 0, 0])


def test_large_tensors_have_scales_of_their_own_by_unit() -> None:
    form, size = Int16(), (1 << 20) + 5
    assert sum(stop - start for start, stop in form.units((size,))) == size
    units = len(form.units((size,)))
    assert 2 * size <= form.bytes((size,), 4) - 4 * units <= 2 * (size + units)  # numbers of 16 bits travel in pairs
    quiet, loud = np.full(size, 1e-6, np.float32), np.full(size, 1e-6, np.float32)
    loud[-1] = 100.0
    mean = Carriage(form, 2, [(size,)], NumPyArrays(), mean=True)([quiet, loud])
    assert np.allclose(mean[:10], 1e-6, rtol=1e-3)  # the loud one is in another unit


def test_none_is_the_mean_itself() -> None:
    parts = [np.array([1.0, 2.0], np.float32), np.array([2.0, 4.0], np.float32)]
    assert np.array_equal(Carriage(NONE, 2, [(2,)], NumPyArrays(), mean=True)(parts), [1.5, 3.0])
