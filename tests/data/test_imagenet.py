"""ImageNet's layouts on small generated trees: labels, preprocessing, sharding, and every kind of damage."""

import shutil
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.data import Batch, Contents, DataError, Source, check_same, open_data
from tests.data.trees import CLASSES, COLOURS, ImagenetTree, jpeg, make_imagenet, pack_imagenet
from tests.patience import PATIENCE, eventually

# A class's colour, as JPEG keeps it: within a few steps of 255.
TOLERANCE = 6 / 255


def read(folder: Path, split: str = "train", **more: object) -> Source:
    asked = {"batch_size": 5, "rank": 0, "size": 1, "seed": 0, "image": 24, "short_side": 32}
    return open_data("imagenet", split=split, folder=folder, **{**asked, **more})  # type: ignore[arg-type]


def check_labels(source: Source) -> int:
    """Every picture shows the colour of its label; returns how many there were."""
    count = 0
    for images, labels in source.batches(0):
        assert images.shape[1:] == (24, 24, 3) and images.dtype == np.float32
        for image, label in zip(images, labels, strict=True):
            assert np.abs(image - np.float32(COLOURS[label]) / 255).max() < TOLERANCE
            count += 1
    return count


@pytest.fixture
def archive(imagenet: ImagenetTree, tmp_path: Path) -> Path:
    return pack_imagenet(imagenet, tmp_path / "ILSVRC2012_img_train.tar")


def test_every_picture_has_its_label_in_both_splits(imagenet: ImagenetTree) -> None:
    assert check_labels(read(imagenet.folder)) == 12
    assert check_labels(read(imagenet.folder, "test")) == 6
    assert read(imagenet.folder, "test").contents.classes == CLASSES


def test_the_archive_yields_the_same_samples_as_the_folders(imagenet: ImagenetTree, archive: Path) -> None:
    folders, tar = read(imagenet.folder), read(archive)
    assert folders.contents.digest == tar.contents.digest
    for one, other in zip(folders.batches(1), tar.batches(1), strict=True):
        assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])


def test_an_archive_next_to_validation_folders_serves_both_splits(imagenet: ImagenetTree, archive: Path) -> None:
    shutil.rmtree(imagenet.folder / "train")
    shutil.move(archive, imagenet.folder / archive.name)
    assert check_labels(read(imagenet.folder)) == 12
    assert check_labels(read(imagenet.folder, "test")) == 6


def test_ranks_share_no_picture(imagenet: ImagenetTree) -> None:
    files = [set(read(imagenet.folder, rank=rank, size=5).sharding.owned(rank)) for rank in range(5)]
    assert sorted(number for part in files for number in part) == list(range(12))


def test_testing_takes_the_centre_of_the_scaled_picture(imagenet: ImagenetTree) -> None:
    path = imagenet.picture("val", 0, 0)
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 36:60] = 255  # the centre 24 columns
    Image.fromarray(wide).save(path, format="PNG")
    images, labels = next(read(imagenet.folder, "test").batches(0))
    assert labels[0] == 0 and images[0].min() == 1.0


def test_training_crops_move_with_the_epoch_and_repeat_with_the_seed(imagenet: ImagenetTree) -> None:
    path = imagenet.picture("train", 0, 0)
    slope = np.broadcast_to(np.arange(0, 192, 2, dtype=np.uint8)[None, :, None], (64, 96, 3))
    for number in range(imagenet.train_per_class):
        Image.fromarray(np.ascontiguousarray(slope)).save(imagenet.picture("train", 0, number), format="PNG")
    shutil.copy(path, imagenet.picture("train", 0, 1))

    def crops(epoch: int, seed: int = 0) -> list[bytes]:
        return [
            image.tobytes()
            for images, labels in read(imagenet.folder, seed=seed).batches(epoch)
            for image in images[labels == 0]
        ]

    assert len(set(crops(0))) > 1
    assert crops(0) == crops(0)
    assert sorted(crops(0)) != sorted(crops(1))
    assert sorted(crops(0)) != sorted(crops(0, seed=1))


@pytest.mark.parametrize("mode", ["L", "CMYK", "P"])
def test_grey_and_four_colour_pictures_become_rgb(imagenet: ImagenetTree, mode: str) -> None:
    path = imagenet.picture("val", 1, 0)
    Image.new("RGB", (40, 40), (128, 128, 128)).convert(mode).save(path, format="PNG" if mode == "P" else "JPEG")
    images, _ = next(read(imagenet.folder, "test").batches(0))
    assert images.shape == (5, 24, 24, 3)


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_a_damaged_picture_is_an_error_that_names_it(imagenet: ImagenetTree, damage: str) -> None:
    path = imagenet.picture("train", 2, 1)
    path.write_bytes({"truncated": path.read_bytes()[:-200], "empty": b"", "text": b"no picture"}[damage])
    with pytest.raises(DataError, match=rf"{path.name}: cannot be decoded .*; expected a whole picture") as caught:
        check_labels(read(imagenet.folder))
    assert caught.value.path == path


def test_a_damaged_picture_is_skipped_and_counted_if_asked(imagenet: ImagenetTree) -> None:
    bad = imagenet.picture("train", 2, 1)
    bad.write_bytes(bad.read_bytes()[:-200])
    source = read(imagenet.folder, on_bad="skip")
    assert check_labels(source) == 11
    assert source.skipped == 1
    assert list(source.data_set.bad) == [str(bad)]  # type: ignore[attr-defined]


def test_skipping_a_picture_leaves_the_crops_of_the_others_alone(imagenet: ImagenetTree) -> None:
    before = {image.tobytes() for images, _ in read(imagenet.folder, on_bad="skip").batches(0) for image in images}
    bad = imagenet.picture("train", 2, 1)
    bad.write_bytes(b"")
    after = [image.tobytes() for images, _ in read(imagenet.folder, on_bad="skip").batches(0) for image in images]
    assert len(after) == 11 and set(after) <= before


def test_a_picture_cut_inside_the_archive_is_named_with_its_class(imagenet: ImagenetTree, tmp_path: Path) -> None:
    path = imagenet.picture("train", 1, 3)
    path.write_bytes(path.read_bytes()[:-200])
    archive = pack_imagenet(imagenet, tmp_path / "ILSVRC2012_img_train.tar")
    with pytest.raises(DataError, match=r"ILSVRC2012_img_train.tar/n01443537/n01443537_3.JPEG: cannot be decoded"):
        check_labels(read(archive))


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.95, 1.0])
def test_a_cut_off_archive_is_refused(archive: Path, keep: float) -> None:
    with tarfile.open(archive) as outer:
        last = outer.getmembers()[-1]
    archive.write_bytes(archive.read_bytes()[: int((last.offset_data + last.size) * keep)])
    with pytest.raises(DataError, match=r"ILSVRC2012_img_train.tar"):
        read(archive)


def test_an_archive_cut_between_two_classes_is_refused(imagenet: ImagenetTree, archive: Path) -> None:
    """Where tarfile itself sees nothing but an early end."""
    with tarfile.open(archive) as outer:
        third = outer.getmembers()[2]
    archive.write_bytes(archive.read_bytes()[: third.offset])
    with pytest.raises(DataError, match=r"cut off after .* expected an end mark"):
        read(archive)


def test_what_is_no_archive_of_archives_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ILSVRC2012_img_train.tar"
    path.write_bytes(b"x" * 4096)
    with pytest.raises(DataError, match="not a readable tar"):
        read(path)
    picture = tmp_path / "a.JPEG"
    picture.write_bytes(jpeg(0, 40, 40))
    with tarfile.open(path, "w") as flat:
        flat.add(picture, "a.JPEG")
    with pytest.raises(DataError, match=r"holds a.JPEG; expected one tar per class"):
        read(path)


def test_the_archives_checksum_is_verified_if_asked(archive: Path) -> None:
    with pytest.raises(DataError, match="expected md5 1d675b47d978889d74fa0da5fadfb00e"):
        read(archive, checksums="published")


def test_missing_folders_are_named(imagenet: ImagenetTree, tmp_path: Path, archive: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"nowhere.tar: no such file"):
        read(tmp_path / "nowhere.tar")
    with pytest.raises(DataError, match="the train archive; expected split 'train'"):
        read(archive, "test")
    shutil.rmtree(imagenet.folder / "val")
    with pytest.raises(DataError, match="val: no such folder; expected a folder with one folder of images per class"):
        read(imagenet.folder, "test")
    shutil.rmtree(imagenet.folder / "train")
    with pytest.raises(DataError, match=r"neither train/ nor ILSVRC2012_img_train.tar"):
        read(imagenet.folder)
    (imagenet.folder / "train").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        read(imagenet.folder)


def test_an_empty_class_folder_is_refused(imagenet: ImagenetTree) -> None:
    shutil.rmtree(imagenet.folder / "train" / CLASSES[1])
    (imagenet.folder / "train" / CLASSES[1]).mkdir()
    with pytest.raises(DataError, match=rf"{CLASSES[1]}: no images"):
        read(imagenet.folder)


def test_a_class_missing_in_one_split_would_shift_labels_and_is_refused(imagenet: ImagenetTree) -> None:
    shutil.rmtree(imagenet.folder / "val" / CLASSES[0])
    for split in ("train", "test"):
        with pytest.raises(DataError, match=rf"val/{CLASSES[0]}: no such class folder"):
            read(imagenet.folder, split)


def test_another_number_of_classes_than_the_model_has_is_refused(imagenet: ImagenetTree) -> None:
    with pytest.raises(DataError, match="3 classes; expected classes = 1000"):
        read(imagenet.folder, classes=1000)


def found_on(folder: Path) -> Contents:
    return read(folder).contents


def test_ranks_with_the_same_tree_agree(imagenet: ImagenetTree, tmp_path: Path) -> None:
    check_same([found_on(imagenet.folder), found_on(make_imagenet(tmp_path / "copy").folder)])


def test_class_folders_that_differ_between_ranks_are_refused(imagenet: ImagenetTree, tmp_path: Path) -> None:
    other = make_imagenet(tmp_path / "other").folder
    for split in ("train", "val"):
        shutil.move(other / split / CLASSES[1], other / split / "n99999999")
    with pytest.raises(
        DataError, match=rf"other.*: rank 1 has 3 classes and lacks '{CLASSES[1]}' and also has 'n99999999'"
    ):
        check_same([found_on(imagenet.folder), found_on(other)])


def test_samples_that_differ_between_ranks_are_refused(imagenet: ImagenetTree, tmp_path: Path) -> None:
    other = make_imagenet(tmp_path / "other")
    picture = other.picture("train", 1, 0)
    picture.rename(picture.with_name("renamed.JPEG"))
    with pytest.raises(DataError, match="rank 2 has other samples"):
        check_same([found_on(imagenet.folder)] * 2 + [found_on(other.folder)])
    (picture.with_name("renamed.JPEG")).unlink()
    with pytest.raises(DataError, match=rf"rank 1 has 3 samples of class '{CLASSES[1]}'; expected 4 as on rank 0"):
        check_same([found_on(imagenet.folder), found_on(other.folder)])


def test_the_step_does_not_wait_for_the_reader(imagenet: ImagenetTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are read while the step computes, and none while it asks for its batch."""
    source = read(imagenet.folder)
    computing, batches, plain = threading.Event(), [], source.data_set.read

    def reads(*asked: object) -> Batch:
        assert computing.wait(PATIENCE), "the step waits for a batch, and the reader for the step"
        batches.append(plain(*asked))  # type: ignore[arg-type]
        return batches[-1]

    monkeypatch.setattr(source.data_set, "read", reads)
    with source.stream() as stream:
        for step in range(10):
            computing.set()
            eventually(lambda step=step: len(batches) == step + source.depth + 1)
            computing.clear()
            next(stream)


def test_crops_larger_than_the_short_side_are_refused(imagenet: ImagenetTree) -> None:
    with pytest.raises(ValueError, match="image = 24: at most short_side = 16"):
        read(imagenet.folder, short_side=16)
