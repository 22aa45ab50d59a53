"""CIFAR-10 in both layouts on small generated trees, damaged ones included."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from suite.data import DataError, Source, open_data
from suite.data.cifar10 import PUBLISHED_MD5
from tests.data.trees import make_cifar


def read(folder: Path, split: str = "train", **more: object) -> Source:
    asked = {"batch_size": 7, "rank": 0, "size": 1, "seed": 0, "checksums": "none"}
    return open_data("cifar10", split=split, folder=folder, **{**asked, **more})  # type: ignore[arg-type]


@pytest.fixture(params=[False, True], ids=["python", "binary"])
def binary(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def first_file(folder: Path, binary: bool) -> Path:
    return folder / ("cifar-10-batches-bin/data_batch_1.bin" if binary else "cifar-10-batches-py/data_batch_1")


def test_the_test_split_is_exactly_what_was_written(tmp_path: Path, binary: bool) -> None:
    tree = make_cifar(tmp_path, binary=binary)
    images, labels = next(read(tmp_path, "test").batches(0))
    expected = tree.pixels["test_batch"].transpose(0, 2, 3, 1).astype(np.float32) / 255
    assert np.array_equal(images, expected)
    assert np.array_equal(labels, tree.labels["test_batch"])


def test_the_folder_itself_may_be_named(tmp_path: Path, binary: bool) -> None:
    make_cifar(tmp_path, binary=binary)
    assert read(first_file(tmp_path, binary).parent).total_samples == 30


def test_training_crops_and_flips_and_repeats_exactly(tmp_path: Path) -> None:
    tree = make_cifar(tmp_path, binary=True)
    source = read(tmp_path, image=28)
    images, labels = next(source.batches(0))
    assert images.shape == (7, 28, 28, 3)
    pictures = np.concatenate([tree.pixels[f"data_batch_{number}"] for number in range(1, 6)]).transpose(0, 2, 3, 1)
    all_labels = np.concatenate([tree.labels[f"data_batch_{number}"] for number in range(1, 6)])
    places = []
    for image, label, sample in zip(images, labels, source.sharding.order(0, 0), strict=False):
        assert label == all_labels[sample]
        whole = pictures[sample]
        found = [
            (top, left, flip)
            for top in range(5)
            for left in range(5)
            for flip in (False, True)
            if np.array_equal(
                np.rint(image * 255),
                whole[top : top + 28, left : left + 28][:, :: -1 if flip else 1].astype(np.float32),
            )
        ]
        assert len(found) == 1
        places += found
    assert len(set(places)) > 2
    assert np.array_equal(images, next(source.batches(0))[0])
    assert not np.array_equal(images, next(read(tmp_path, image=28, seed=1).batches(0))[0])


def test_testing_takes_the_centre(tmp_path: Path) -> None:
    tree = make_cifar(tmp_path, binary=True)
    images, _ = next(read(tmp_path, "test", image=28).batches(0))
    centre = tree.pixels["test_batch"].transpose(0, 2, 3, 1)[:, 2:30, 2:30]
    assert np.array_equal(np.rint(images * 255), centre.astype(np.float32))


def test_mean_and_deviation_are_applied_per_channel(tmp_path: Path) -> None:
    make_cifar(tmp_path, binary=True)
    plain, _ = next(read(tmp_path, "test").batches(0))
    moved, _ = next(read(tmp_path, "test", mean=[0.1, 0.2, 0.3], deviation=[1, 2, 4]).batches(0))
    assert np.allclose(moved, (plain - np.float32([0.1, 0.2, 0.3])) / np.float32([1, 2, 4]), atol=1e-6)


def test_checksums_of_the_users_own_are_verified(tmp_path: Path, binary: bool) -> None:
    tree = make_cifar(tmp_path, binary=binary)
    assert read(tmp_path, checksums=str(tree.sums)).contents.checked == "md5"
    assert read(tmp_path).contents.checked == "structure"
    path = first_file(tmp_path, binary)
    damaged = bytearray(path.read_bytes())
    damaged[-50] ^= 1  # a pixel: no structural check can see it
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=rf"{path.name}: md5 [0-9a-f]{{32}}; expected md5 [0-9a-f]{{32}}"):
        read(tmp_path, checksums=str(tree.sums))


def test_published_checksums_are_the_default_and_refuse_a_made_up_tree(tmp_path: Path) -> None:
    make_cifar(tmp_path, binary=False)
    with pytest.raises(DataError, match=f"data_batch_1: md5 .* expected md5 {PUBLISHED_MD5['data_batch_1']}"):
        read(tmp_path, checksums="published")


def test_binary_files_of_the_wrong_length_are_refused_by_default(tmp_path: Path) -> None:
    make_cifar(tmp_path, binary=True)
    with pytest.raises(DataError, match=r"data_batch_1.bin: 18438 bytes; expected 30730000 bytes"):
        read(tmp_path, checksums="published")


def test_a_truncated_file_is_refused(tmp_path: Path, binary: bool) -> None:
    make_cifar(tmp_path, binary=binary)
    path = first_file(tmp_path, binary)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=path.name) as caught:
        read(tmp_path)
    assert caught.value.path == path


def test_a_label_out_of_range_is_refused_with_its_record(tmp_path: Path) -> None:
    make_cifar(tmp_path, binary=True)
    path = first_file(tmp_path, True)
    damaged = bytearray(path.read_bytes())
    damaged[3 * 3073] = 11
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"data_batch_1.bin: record 3 has label 11; expected labels 0 to 9"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, -1]}, "record 1 has label -1"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}, "'labels' of shape"),
        ({b"data": np.zeros((2, 3000), np.uint8), b"labels": [1, 2]}, "'data' of shape"),
        ({b"pictures": 1}, "no 'data' and 'labels'"),
    ],
)
def test_python_batches_that_hold_something_else_are_refused(tmp_path: Path, held: object, said: str) -> None:
    make_cifar(tmp_path, binary=False)
    path = first_file(tmp_path, False)
    path.write_bytes(pickle.dumps(held))
    with pytest.raises(DataError, match=f"data_batch_1: {said}"):
        read(tmp_path)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> object:
            return (Path.touch, (tmp_path / "sprung",))

    make_cifar(tmp_path, binary=False)
    first_file(tmp_path, False).write_bytes(pickle.dumps({b"data": Trap(), b"labels": []}))
    with pytest.raises(DataError, match="cannot be unpickled"):
        read(tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_missing_folder_file_or_layout_is_named(tmp_path: Path, binary: bool) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder; expected a folder that holds cifar-10-batches-py/"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match="neither of CIFAR-10's layouts"):
        read(tmp_path)
    (tmp_path / "cifar-10-python.tar.gz").touch()
    with pytest.raises(DataError, match=r"only the packed archive cifar-10-python.tar.gz"):
        read(tmp_path)
    make_cifar(tmp_path, binary=binary)
    path = first_file(tmp_path, binary)
    path.with_name(path.name.replace("1", "4")).unlink()
    with pytest.raises(DataError, match=r"data_batch_4\S*: no such file; expected CIFAR-10's train files"):
        read(tmp_path)
    with pytest.raises(ValueError, match="'cifar10' needs a folder"):
        open_data("cifar10", split="train", batch_size=1, rank=0, size=1, seed=0)


def test_images_larger_than_the_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="image = 224: CIFAR-10 has 32x32 images"):
        read(tmp_path, image=224)


def test_a_damaged_md5sum_file_is_named(tmp_path: Path) -> None:
    tree = make_cifar(tmp_path, binary=True)
    tree.sums.write_text("not a sum\n")
    with pytest.raises(DataError, match="line 1 is 'not a sum'"):
        read(tmp_path, checksums=str(tree.sums))
    with pytest.raises(DataError, match="no such file; expected a file as md5sum writes it"):
        read(tmp_path, checksums="publshed")
