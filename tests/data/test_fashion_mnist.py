"""Fashion-MNIST from small generated IDX files, damaged ones included."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from suite.data import DataError, Source, open_data
from suite.data.fashion_mnist import FOLDER
from tests.data.trees import make_fashion_mnist

PICTURES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def read(folder: Path | None, split: str = "train", **more: object) -> Source:
    asked = {"batch_size": 5, "rank": 0, "size": 1, "seed": 0}
    return open_data("fashion-mnist", split=split, folder=folder, **{**asked, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("packed", [True, False])
def test_the_test_split_is_exactly_what_was_written(tmp_path: Path, packed: bool) -> None:
    held = make_fashion_mnist(tmp_path, packed=packed)
    images, labels = next(read(tmp_path, "test").batches(0))
    assert images.dtype == np.float32
    assert images.shape == (5, 28, 28, 1)
    assert np.array_equal(np.rint(images[..., 0] * 255), held["t10k-images-idx3-ubyte"])
    assert np.array_equal(labels, held["t10k-labels-idx1-ubyte"])


def test_pictures_are_scaled_and_coloured_as_the_net_wants_them(tmp_path: Path) -> None:
    make_fashion_mnist(tmp_path)
    images, _ = next(read(tmp_path, image=14, channels=3).batches(0))
    assert images.shape == (5, 14, 14, 3)
    assert np.array_equal(images[..., 0], images[..., 2])


def test_missing_files_are_told_with_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{PICTURES}.*apt-get install dataset-fashion-mnist"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("stem", "damage", "message"),
    [
        (PICTURES, lambda raw: raw[:-100], "bytes of values"),
        (PICTURES, lambda raw: b"\x00\x00\x08\x01" + raw[4:], "begin with 00000801"),
        (PICTURES, lambda raw: b"", "begin with nothing"),
        (LABELS, lambda raw: raw[:7] + b"\x0b" + raw[8:-1], "11 labels"),
        (LABELS, lambda raw: raw[:-1] + b"\x0a", "label 10"),
    ],
)
def test_what_is_torn_is_refused_with_what_is_wrong(tmp_path, stem, damage, message) -> None:
    make_fashion_mnist(tmp_path, packed=False)
    path = tmp_path / stem
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=message) as refusal:
        read(tmp_path)
    assert stem in str(refusal.value)


def test_a_torn_archive_is_refused(tmp_path: Path) -> None:
    make_fashion_mnist(tmp_path)
    path = tmp_path / f"{PICTURES}.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be unpacked"):
        read(tmp_path)
    path.write_bytes(gzip.compress(b"")[:-1] + b"x")
    with pytest.raises(DataError, match="cannot be unpacked"):
        read(tmp_path)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_the_whole_set_from_the_package() -> None:
    source = read(None)
    assert source.total_samples == 60_000
    assert set(source.contents.samples_per_class) == {6000}
    assert read(None, "test").total_samples == 10_000
