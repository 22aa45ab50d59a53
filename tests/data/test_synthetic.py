"""Synthetic data: seeded, the same whoever makes it, and learnable for the right reason."""

import tracemalloc

import numpy as np
import pytest

from suite.data import Source, open_data


def everything(source: Source) -> tuple[np.ndarray, np.ndarray]:
    batches = list(source.batches(0))
    return np.concatenate([images for images, _ in batches]), np.concatenate([labels for _, labels in batches])


def make(split: str, **more: object) -> Source:
    asked = {
        "batch_size": 32,
        "rank": 0,
        "size": 1,
        "seed": 0,
        "image": 16,
        "classes": 10,
        "samples": 400,
        "noise": 4.0,
    }
    return open_data("synthetic", split=split, **{**asked, **more})  # type: ignore[arg-type]


def linear_accuracy(train_labels: np.ndarray, train: np.ndarray, test: np.ndarray, test_labels: np.ndarray) -> float:
    """Ridge regression on one-hot labels: enough for prototypes, hopeless on labels without meaning."""
    flat = train.reshape(len(train), -1).astype(np.float64)
    weights = np.linalg.solve(flat @ flat.T + 100 * np.eye(len(flat)), np.eye(10)[train_labels])
    return float(np.mean(np.argmax(test.reshape(len(test), -1) @ (flat.T @ weights), axis=1) == test_labels))


def test_it_can_be_learned_and_only_because_labels_and_images_belong_together() -> None:
    images, labels = everything(make("train"))
    test_images, test_labels = everything(make("test", samples=200))
    assert linear_accuracy(labels, images, test_images, test_labels) > 0.9
    mixed = np.random.default_rng(0).permutation(labels)
    assert linear_accuracy(mixed, images, test_images, test_labels) < 0.3


def test_images_are_unit_scale_and_classes_balanced() -> None:
    images, labels = everything(make("train"))
    assert images.dtype == np.float32 and labels.dtype == np.int64
    assert images.mean() == pytest.approx(0, abs=0.02) and images.std() == pytest.approx(1, abs=0.02)
    assert list(np.bincount(labels)) == [40] * 10


def test_a_sample_is_the_same_whichever_rank_makes_it_and_whatever_the_runs_seed() -> None:
    whole = everything(make("train", noise=1.0))
    by_bytes = {image.tobytes(): label for image, label in zip(*whole, strict=True)}
    assert len(by_bytes) == 400
    seen = []
    for rank in range(3):
        images, labels = everything(make("train", noise=1.0, rank=rank, size=3, seed=5))
        for image, label in zip(images, labels, strict=True):
            assert by_bytes[image.tobytes()] == label
            seen.append(image.tobytes())
    assert len(seen) == len(set(seen)) == 400


def test_train_and_test_share_the_task_but_no_sample() -> None:
    train, test = everything(make("train"))[0], everything(make("test"))[0]
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in test}


def test_another_task_is_another_task() -> None:
    images, labels = everything(make("train"))
    other, other_labels = everything(make("test", task=1))
    assert linear_accuracy(labels, images, other, other_labels) < 0.3


def test_contents_count_what_is_there() -> None:
    source = make("train", classes=12, samples=45)
    assert source.contents.samples_per_class == (5, 5, 5, 5, 5, 4, 4, 4, 4, 4, 0, 0)
    assert source.total_samples == 45


def test_large_images_stay_within_memory_and_a_batch_is_only_an_indexing(monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_data("synthetic", split="train", batch_size=8, rank=0, size=8, seed=0, prefetch=0)
    assert source.image_shape == (224, 224, 3) and source.classes == 1000
    assert source.total_samples * 4 * 224 * 224 * 3 <= 256 * 2**20
    order = source.sharding.order(0, 0)[:8]
    monkeypatch.setattr(np.random, "default_rng", None)  # random numbers take several hundred times as long
    tracemalloc.start()
    images, _ = source.data_set.read(order, None)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert images.shape == (8, 224, 224, 3)
    assert images.nbytes <= most < 1.1 * images.nbytes


def test_a_sample_of_another_rank_is_refused() -> None:
    source = make("train", rank=0, size=2)
    foreign = make("train", rank=1, size=2).sharding.owned(1)[:1]
    with pytest.raises(ValueError, match="not among those this rank keeps"):
        source.data_set.read(foreign, None)
