"""Writes small data sets in the published layouts, with pictures whose colour tells their class."""

import gzip
import hashlib
import io
import pickle
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("n01440764", "n01443537", "n02102040")
# Red, green, blue: so that a picture says which class it is, whatever its label.
COLOURS = ((220, 20, 20), (20, 220, 20), (20, 20, 220))


@dataclass(frozen=True)
class ImagenetTree:
    folder: Path
    train_per_class: int

    def picture(self, split: str, label: int, number: int) -> Path:
        return self.folder / split / CLASSES[label] / f"{CLASSES[label]}_{number}.JPEG"


def jpeg(label: int, width: int, height: int) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (width, height), COLOURS[label]).save(held, format="JPEG", quality=95)
    return held.getvalue()


def make_imagenet(folder: Path, *, train_per_class: int = 4, test_per_class: int = 2) -> ImagenetTree:
    for split, count in (("train", train_per_class), ("val", test_per_class)):
        for label, name in enumerate(CLASSES):
            place = folder / split / name
            place.mkdir(parents=True)
            for number in range(count):
                (place / f"{name}_{number}.JPEG").write_bytes(jpeg(label, 40 + 9 * number, 60 - 7 * number))
    return ImagenetTree(folder, train_per_class)


def pack_imagenet(tree: ImagenetTree, archive: Path) -> Path:
    """The train split as ImageNet hands it out: a tar of tars."""
    with tarfile.open(archive, "w") as outer:
        for name in CLASSES:
            held = io.BytesIO()
            with tarfile.open(fileobj=held, mode="w") as inner:
                for picture in sorted((tree.folder / "train" / name).iterdir()):
                    inner.add(picture, arcname=picture.name)
            member = tarfile.TarInfo(f"{name}.tar")
            member.size = len(held.getvalue())
            outer.addfile(member, io.BytesIO(held.getvalue()))
    return archive


@dataclass(frozen=True)
class CifarTree:
    folder: Path
    sums: Path
    pixels: dict[str, np.ndarray]
    """File stem -> N x 3 x 32 x 32"""
    labels: dict[str, np.ndarray]


def make_cifar(folder: Path, *, binary: bool, records: int = 6) -> CifarTree:
    place = folder / ("cifar-10-batches-bin" if binary else "cifar-10-batches-py")
    place.mkdir(parents=True)
    draw = np.random.default_rng(7)
    pixels, labels, lines = {}, {}, []
    for stem in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels[stem] = draw.integers(0, 256, (records, 3, 32, 32), dtype=np.uint8)
        labels[stem] = draw.integers(0, 10, records, dtype=np.uint8)
        flat = pixels[stem].reshape(records, -1)
        if binary:
            path = place / f"{stem}.bin"
            path.write_bytes(np.concatenate([labels[stem][:, None], flat], axis=1).tobytes())
        else:
            path = place / stem
            path.write_bytes(pickle.dumps({b"data": flat, b"labels": labels[stem].tolist()}, protocol=2))
        lines.append(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.name}\n")
    sums = folder / "md5sums"
    sums.write_text("".join(lines))
    return CifarTree(folder, sums, pixels, labels)


def make_fashion_mnist(folder: Path, *, train: int = 12, test: int = 5, packed: bool = True) -> dict[str, np.ndarray]:
    """The four IDX files, by their stems; returns what stands in them."""
    draw = np.random.default_rng(7)
    held = {}
    for split, count in (("train", train), ("t10k", test)):
        held[f"{split}-images-idx3-ubyte"] = draw.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        held[f"{split}-labels-idx1-ubyte"] = draw.integers(0, 10, count, dtype=np.uint8)
    for stem, values in held.items():
        raw = bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">u4").tobytes() + values.tobytes()
        if packed:
            (folder / f"{stem}.gz").write_bytes(gzip.compress(raw))
        else:
            (folder / stem).write_bytes(raw)
    return held
