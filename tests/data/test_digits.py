"""The embedded digits: all there, split once and for all, sharded without overlap."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from suite.data import open_data


def test_train_and_test_are_all_digits_each_once() -> None:
    known = load_digits()
    expected = sorted((image.astype(np.float32) / 16).tobytes() for image in known.images)
    found = []
    for split in ("train", "test"):
        source = open_data("digits", split=split, batch_size=64, rank=0, size=1, seed=0)
        assert source.image_shape == (8, 8, 1)
        for images, _ in source.batches(0):
            found += [image.tobytes() for image in images]
    assert len(found) == 1797 and sorted(found) == expected


def test_labels_belong_to_their_images() -> None:
    known = load_digits()
    by_bytes = {
        (image / 16).astype(np.float32).tobytes(): label
        for image, label in zip(known.images, known.target, strict=True)
    }
    for images, labels in open_data("digits", split="train", batch_size=64, rank=1, size=3, seed=4).batches(2):
        assert [by_bytes[image.tobytes()] for image in images] == list(labels)


def test_the_test_digits_do_not_depend_on_the_seed() -> None:
    one, other = (open_data("digits", split="test", batch_size=32, rank=0, size=1, seed=seed) for seed in (0, 9))
    assert one.contents == other.contents
    assert one.total_samples == 360


def test_two_ranks_never_share_a_digit_and_take_equally_many_steps() -> None:
    sources = [open_data("digits", split="train", batch_size=100, rank=rank, size=2, seed=0) for rank in range(2)]
    seen = [{image.tobytes() for images, _ in source.batches(0) for image in images} for source in sources]
    assert not seen[0] & seen[1]
    assert sum(source.samples for source in sources) == 1437
    assert {source.steps_per_epoch for source in sources} == {8}


def test_they_can_be_scaled_and_coloured() -> None:
    source = open_data("digits", split="test", batch_size=5, rank=0, size=1, seed=0, image=32, channels=3)
    images, _ = next(source.batches(0))
    assert images.shape == (5, 32, 32, 3)
    assert np.array_equal(images[..., 0], images[..., 2]) and images.min() >= 0 and images.max() <= 1


def test_more_ranks_than_samples_yield_empty_batches_of_the_right_shape() -> None:
    source = open_data("digits", split="test", batch_size=8, rank=399, size=400, seed=0)
    batches = list(source.batches(0))
    assert len(batches) == 1
    images, labels = batches[0]
    assert images.shape == (0, 8, 8, 1) and images.dtype == np.float32 and labels.shape == (0,)
    assert source.weight(0) == 0.0


def test_a_limit_leaves_the_same_mixed_choice_on_every_seed_and_rank() -> None:
    def pictures(seed: int, size: int) -> list[bytes]:
        sources = [
            open_data("digits", split="test", batch_size=16, rank=rank, size=size, seed=seed, limit=100)
            for rank in range(size)
        ]
        return sorted(image.tobytes() for source in sources for images, _ in source.batches() for image in images)

    assert len(pictures(0, 1)) == 100
    assert pictures(0, 1) == pictures(5, 3)
    labels = next(open_data("digits", split="test", batch_size=100, rank=0, size=1, seed=0, limit=100).batches())[1]
    assert len(set(labels)) == 10


def test_a_resumed_stream_continues_exactly() -> None:
    source = open_data("digits", split="train", batch_size=200, rank=0, size=1, seed=3)
    whole, resumed = source.stream(), source.stream(step=11)
    for _ in range(11):
        next(whole)
    for _ in range(10):
        for expected, found in zip(next(whole), next(resumed), strict=True):
            assert np.array_equal(expected, found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "digit"}, r"unknown data set 'digit' \(did you mean 'digits'\?\); known: synthetic, tokens, digits"),
        ({"chanels": 3}, r"no option 'chanels' \(did you mean 'channels'\?\)"),
        ({"channels": 0}, "option channels = 0: input should be greater than or equal to 1"),
        ({"classes": 100}, "digits, train: 10 classes; expected classes = 100"),
        ({"split": "validation"}, "split = 'validation': one of train, test"),
        ({"image": 0}, "image = 0"),
        ({"classes": 0}, "classes = 0"),
        ({"limit": 0}, "limit = 0: 1 <= limit <= 1437"),
        ({"limit": 1500}, "limit = 1500: 1 <= limit <= 1437"),
    ],
)
def test_bad_requests_are_refused_in_one_line(change: dict[str, object], said: str) -> None:
    asked: dict[str, object] = {"name": "digits", "split": "train", "batch_size": 8, "rank": 0, "size": 1, "seed": 0}
    with pytest.raises(ValueError, match=said) as caught:
        open_data(**{**asked, **change})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
