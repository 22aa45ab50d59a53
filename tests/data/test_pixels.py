"""Images answered by their own pixels."""

from pathlib import Path

import numpy as np
import pytest

from suite.data import open_data
from tests.data.trees import make_cifar


def test_cifar_answers_are_its_bytes_in_the_order_of_rows_columns_colours(tmp_path: Path) -> None:
    tree = make_cifar(tmp_path, binary=True)
    tree.pixels["test_batch"].reshape(-1)[:256] = np.arange(256)  # every byte occurs
    place = tmp_path / "cifar-10-batches-bin" / "test_batch.bin"
    place.write_bytes(
        np.concatenate([tree.labels["test_batch"][:, None], tree.pixels["test_batch"].reshape(6, -1)], axis=1).tobytes()
    )
    source = open_data(
        "cifar10",
        split="test",
        batch_size=6,
        rank=0,
        size=1,
        seed=0,
        folder=tmp_path,
        answers="pixels",
        checksums="none",
    )
    images, labels = next(source.batches())
    assert source.classes == 256 and images.shape == (6, 32, 32, 3)
    assert np.array_equal(labels, tree.pixels["test_batch"].transpose(0, 2, 3, 1).reshape(6, -1))


def test_fewer_levels_divide_the_range_evenly() -> None:
    source = open_data("digits", split="test", batch_size=360, rank=0, size=1, seed=0, answers="pixels", classes=4)
    images, labels = next(source.batches())
    assert labels.shape == (360, 64) and set(np.unique(labels)) == {0, 1, 2, 3}
    assert np.array_equal(labels, np.minimum(images.reshape(360, 64) * 4, 3).astype(int))
    assert source.total_samples == 360


def test_synthetic_images_are_brought_into_range() -> None:
    source = open_data(
        "synthetic", split="train", batch_size=50, rank=0, size=1, seed=0, image=8, samples=50, answers="pixels"
    )
    images, labels = next(source.batches())
    assert images.min() >= 0 and images.max() <= 1 and images.std() > 0.1
    assert labels.shape == (50, 8 * 8 * 3) and labels.min() >= 0 and labels.max() <= 255


def test_a_rank_without_samples_has_empty_batches() -> None:
    source = open_data("digits", split="test", batch_size=1, rank=2, size=3, seed=0, answers="pixels", limit=2)
    images, labels = next(source.batches())
    assert images.shape == (0, 8, 8, 1) and labels.shape == (0, 64)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"answers": "pixel"}, "answers = 'pixel'"), ({"answers": "pixels", "mean": [0, 0, 0]}, r"images in \[0, 1\]")],
)
def test_what_cannot_be_answered_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    make_cifar(tmp_path, binary=True)
    asked: dict[str, object] = {"batch_size": 2, "rank": 0, "size": 1, "seed": 0, "folder": tmp_path}
    with pytest.raises(ValueError, match=said):
        open_data("cifar10", split="test", **{**asked, "checksums": "none", **change})  # type: ignore[arg-type]
