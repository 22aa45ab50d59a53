"""Who holds other values than the rest is named."""

from __future__ import annotations

import numpy as np
import pytest

from algorithms.mechanisms.agreement import digest, require_equal
from algorithms.mechanisms.errors import RanksDisagree

NAMES = ["bias", "kernel", "scale"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([[1, 2, 3], [1, 2, 3], [1, 9, 3]], "after step 4, kernel of rank 2 differs from the others'"),
        ([[1, 9, 3], [1, 2, 3], [1, 2, 3]], "after step 4, kernel of rank 0 differs"),
        ([[1, 2, 3], [1, 9, 3]], "after step 4, kernel of rank 1 differs"),  # one word against another: rank 0 is right
        ([[1, 2, 3], [7, 9, 3], [1, 2, 3], [8, 9, 3]], r"bias \(and 1 more\) of rank 1, 3 differs"),
    ],
)
def test_who_is_outvoted_is_named(said: list[list[int]], told: str) -> None:
    with pytest.raises(RanksDisagree, match=told):
        require_equal(said, NAMES, "after step 4")


@pytest.mark.parametrize("said", [[], [[1, 2, 3]], [[1, 2, 3]] * 4])
def test_equal_is_equal(said: list[list[int]]) -> None:
    require_equal(said, NAMES, "after step 4")


def test_a_digest_is_of_bits() -> None:
    assert digest(np.array([0.0])) != digest(np.array([-0.0]))
    assert digest(np.array(3.0)) == digest(np.array([3.0]))
    assert digest(np.arange(6)[::2]) == digest(np.array([0, 2, 4]))
