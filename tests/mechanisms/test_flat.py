"""Every element of every tensor lies in exactly one place of exactly one piece."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.mechanisms.flat import Cut, cut_between, cut_flat, offsets

SIZES = st.lists(st.integers(0, 40), max_size=8)


def _places(cuts: tuple[Cut, ...]) -> list[tuple[int, int, int]]:
    return [
        (span.tensor, span.start + i, span.at + i)
        for cut in cuts
        for span in cut.spans
        for i in range(span.stop - span.start)
    ]


def _expected(sizes: list[int]) -> list[tuple[int, int, int]]:
    begins = offsets(sizes)
    return [(tensor, i, begins[tensor] + i) for tensor, size in enumerate(sizes) for i in range(size)]


@given(SIZES, st.integers(1, 50))
def test_pieces_cover_every_element_once_in_order(sizes: list[int], largest: int) -> None:
    cuts = cut_flat(sizes, largest)
    assert _places(cuts) == _expected(sizes)
    assert [cut.start for cut in cuts] == [0, *(cut.stop for cut in cuts)][: len(cuts)]
    assert all(1 <= cut.size <= largest for cut in cuts)
    assert all(cut.start <= span.at < cut.stop for cut in cuts for span in cut.spans)


@given(SIZES)
def test_one_piece_for_each_tensor_that_has_elements(sizes: list[int]) -> None:
    cuts = cut_between(sizes)
    assert _places(cuts) == _expected(sizes)
    assert all(len(cut.spans) == 1 for cut in cuts)


def test_pieces_are_nearly_equal() -> None:
    sizes = [cut.size for cut in cut_flat([1000, 1], 300)]
    assert max(sizes) - min(sizes) <= 1


def test_a_piece_has_an_element() -> None:
    with pytest.raises(ValueError, match="largest=0"):
        cut_flat([3], 0)
