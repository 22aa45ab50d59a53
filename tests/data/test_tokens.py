"""Token sequences: seeded, sharded, learnable down to the chain's own entropy and no further."""

import numpy as np
import pytest

from suite.data import Source, open_data
from suite.data.tokens import Tokens


def make(split: str = "train", **more: object) -> Source:
    asked = {"batch_size": 64, "rank": 0, "size": 1, "seed": 0, "image": 32, "classes": 20, "samples": 600}
    return open_data("tokens", split=split, **{**asked, **more})  # type: ignore[arg-type]


def everything(source: Source) -> tuple[np.ndarray, np.ndarray]:
    batches = list(source.batches())
    return np.concatenate([tokens for tokens, _ in batches]), np.concatenate([labels for _, labels in batches])


def test_the_answer_at_each_place_is_the_next_symbol() -> None:
    tokens, labels = everything(make())
    assert tokens.shape == labels.shape == (600, 32)
    assert tokens.dtype == np.int32 and labels.dtype == np.int64
    assert np.array_equal(tokens[:, 1:], labels[:, :-1])
    assert tokens.min() >= 0 and tokens.max() < 20


def test_counting_pairs_learns_it_down_to_the_entropy() -> None:
    tokens, labels = everything(make())
    pairs = np.full((20, 20), 0.01)
    np.add.at(pairs, (tokens.reshape(-1), labels.reshape(-1)), 1)
    shares = pairs / pairs.sum(axis=1, keepdims=True)
    held_out = make("test")
    test_tokens, test_labels = everything(held_out)
    loss = -np.mean(np.log(shares[test_tokens, test_labels]))
    assert isinstance(held_out.data_set, Tokens)
    floor = held_out.data_set.entropy(test_tokens)
    assert floor < 0.5 * np.log(20)
    assert loss == pytest.approx(floor, rel=0.02)


def test_ranks_share_no_sequence_and_together_have_them_all() -> None:
    whole = sorted(row.tobytes() for row in everything(make())[0])
    parts = [row.tobytes() for rank in range(3) for row in everything(make(rank=rank, size=3, seed=4))[0]]
    assert sorted(parts) == whole and len(set(whole)) == 600


def test_a_rank_without_sequences_has_empty_batches() -> None:
    tokens, labels = next(make(samples=2, rank=2, size=3).batches())
    assert tokens.shape == labels.shape == (0, 32)


def test_bad_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no option 'sucessors' \(did you mean 'successors'\?\)"):
        make(sucessors=3)
    with pytest.raises(ValueError, match="answers = 'pixels': tokens are no images"):
        make(answers="pixels")
