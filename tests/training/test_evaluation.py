"""Counting: against scikit-learn and torch, and on the awkward cases."""

import numpy as np
import pytest
import torch
from sklearn.metrics import top_k_accuracy_score

from suite.training.evaluation import NOTHING, count, due, merged


def test_counts_agree_with_scikit_learn_and_torch() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(200, 12)).astype(np.float32)
    labels = draw.integers(0, 12, 200)
    found = count(logits, labels)
    assert found.top1 == pytest.approx(top_k_accuracy_score(labels, logits, k=1, labels=range(12)))
    assert found.top5 == pytest.approx(top_k_accuracy_score(labels, logits, k=5, labels=range(12)))
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    assert found.loss == pytest.approx(float(expected), rel=1e-6)


def test_parts_add_up_exactly_whatever_their_sizes() -> None:
    draw = np.random.default_rng(1)
    logits, labels = draw.normal(size=(50, 7)).astype(np.float32), draw.integers(0, 7, 50)
    whole = count(logits, labels)
    parts = merged([count(logits[:3], labels[:3]), NOTHING, count(logits[3:], labels[3:])])
    assert (parts.samples, parts.top1_count, parts.top5_count) == (50, whole.top1_count, whole.top5_count)
    assert parts.loss == pytest.approx(whole.loss)


def test_an_answer_per_position_counts_positions() -> None:
    logits = np.zeros((2, 3, 4), np.float32)
    labels = np.array([[0, 1, 2], [3, 0, 1]])
    np.put_along_axis(logits, labels[..., None], 1.0, axis=2)
    found = count(logits, labels)
    assert found.samples == 6 and found.top1 == 1.0


def test_indifference_and_nan_are_never_right() -> None:
    labels = np.array([0, 1])
    assert count(np.zeros((2, 10), np.float32), labels).top5_count == 0
    for bad in (np.nan, np.inf):
        broken = count(np.full((2, 10), bad, np.float32), labels)
        assert broken.top1_count == broken.top5_count == 0
        assert not np.isfinite(broken.loss)
    one_nan = np.zeros((1, 3), np.float32)
    one_nan[0, 2] = np.nan
    one_nan[0, 0] = 5
    assert count(one_nan, np.array([0])).top1_count == 0


def test_huge_logits_do_not_overflow() -> None:
    found = count(np.array([[1e30, 0.0]], np.float32), np.array([0]))
    assert found.loss == 0.0 and found.top1 == 1.0


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_out_of_range_is_refused(label: int) -> None:
    with pytest.raises(ValueError, match="0 <= label < 4"):
        count(np.zeros((1, 4), np.float32), np.array([label]))


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match=r"logits of shape \(2, 4\) for labels of shape \(3,\)"):
        count(np.zeros((2, 4), np.float32), np.zeros(3, np.int64))


def test_an_evaluation_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 samples"):
        merged([NOTHING, NOTHING])


def test_due_at_fixed_sample_counts_however_they_are_stepped_over() -> None:
    assert [due(before, before + 30, 100) for before in range(0, 210, 30)] == [
        False, False, False, True, False, False, True,
    ]  # fmt: skip
    assert due(0, 250, 100) and due(70, 100, 100) and not due(100, 130, 100)
    with pytest.raises(ValueError, match="every = 0"):
        due(0, 1, 0)
