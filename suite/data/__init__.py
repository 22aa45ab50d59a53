"""Data sets by name, each as one rank's stream of batches.

source = open_data("digits", split="train", batch_size=32, rank=hvd.rank(), size=hvd.size(), seed=0)
check_same(hvd.allgather_object(source.contents))        # before training: do all ranks read the same data?
with source.stream() as batches:
    images, labels = next(batches)                       # N x H x W x C float32, N int64; read ahead in the background
"""

import time
from pathlib import Path
from typing import Literal

from algorithms.mechanisms.suggest import unknown
from suite.data.cifar10 import Cifar10, Cifar10Options
from suite.data.cifar10_files import SIDE as CIFAR10_SIDE
from suite.data.contents import Contents, check_same
from suite.data.digits import SIDE as DIGITS_SIDE
from suite.data.digits import Digits, DigitsOptions
from suite.data.errors import DataError
from suite.data.fashion_mnist import FOLDER as FASHION_MNIST_FOLDER
from suite.data.fashion_mnist import SIDE as FASHION_MNIST_SIDE
from suite.data.fashion_mnist import FashionMnist, FashionMnistOptions
from suite.data.imagenet import Imagenet, ImagenetOptions
from suite.data.options import parse
from suite.data.pixels import LEVELS, Pixels
from suite.data.prefetch import Clock, Prefetcher
from suite.data.sharding import Last, Sharding, choose
from suite.data.source import Batch, DataSet, Source, Split
from suite.data.synthetic import Synthetic, SyntheticOptions
from suite.data.tokens import Tokens, TokensOptions

__all__ = [
    "NAMES",
    "Batch",
    "Contents",
    "DataError",
    "DataSet",
    "Prefetcher",
    "Sharding",
    "Source",
    "Split",
    "check_same",
    "open_data",
]

NAMES: tuple[str, ...] = ("synthetic", "tokens", "digits", "fashion-mnist", "cifar10", "imagenet")
Answers = Literal["classes", "pixels"]
SPLITS: tuple[Split, ...] = ("train", "test")

_SYNTHETIC_SIDE = 224
_SYNTHETIC_CLASSES = 1000
_IMAGENET_SIDE = 224
_TOKENS_LENGTH = 256
_TOKENS_VOCABULARY = 256


def open_data(
    name: str,
    *,
    split: Split,
    batch_size: int,
    rank: int,
    size: int,
    seed: int,
    image: int | None = None,
    classes: int | None = None,
    folder: Path | str | None = None,
    answers: Answers = "classes",
    limit: int | None = None,
    last: Last = "short",
    every_rank: bool = False,
    prefetch: int = 2,
    clock: Clock = time.perf_counter,
    **options: object,
) -> Source:
    """This rank's part of a data set.

    `image` is the side of the square images handed out (default: the data set's own; 224 for ImageNet and synthetic; the
    length of "tokens"), `classes` what the model's head has: with real data anything but the data set's own number is
    refused. `answers="pixels"` asks for the level of every pixel's every colour, in `classes` levels. "train" is
    shuffled and augmented, "test" is neither. `limit` leaves so many samples, all ranks together: a fixed random choice
    that does not depend on the seed. `every_rank`: this process reads what all ranks do. `last` and fewer samples than
    ranks: see `sharding`.
    """
    if split not in SPLITS:
        raise ValueError(f"split = {split!r}: one of {', '.join(SPLITS)}")
    if image is not None and image < 1:
        raise ValueError(f"image = {image}: a side of at least 1 pixel")
    if classes is not None and classes < 1:
        raise ValueError(f"classes = {classes}: at least 1")
    where = None if folder is None else Path(folder)
    if answers == "pixels":
        data_set = _by_pixels(name, _open(name, split, image, None, where, options), classes or LEVELS, options)
    elif answers == "classes":
        data_set = _open(name, split, image, classes, where, options)
    else:
        raise ValueError(f"answers = {answers!r}: 'classes' or 'pixels'")
    found = len(data_set.contents.classes)
    if classes is not None and classes != found:
        raise DataError(data_set.contents.where, f"{found} classes", f"classes = {classes}, as was asked for")
    train = split == "train"
    chosen = choose(data_set.contents.samples, limit)
    sharding = Sharding(samples=len(chosen), size=size, batch_size=batch_size, seed=seed, shuffle=train, last=last)
    return Source(
        data_set=data_set,
        chosen=chosen,
        sharding=sharding,
        rank=rank,
        augment=train,
        depth=prefetch,
        clock=clock,
        every_rank=every_rank,
    )


def _open(
    name: str, split: Split, image: int | None, classes: int | None, folder: Path | None, options: dict[str, object]
) -> DataSet:
    what = f"data set {name!r}"
    if name == "synthetic":
        return Synthetic(
            split=split,
            image=image or _SYNTHETIC_SIDE,
            classes=classes or _SYNTHETIC_CLASSES,
            options=parse(SyntheticOptions, what, options),
        )
    if name == "tokens":
        return Tokens(
            split=split,
            length=image or _TOKENS_LENGTH,
            vocabulary=classes or _TOKENS_VOCABULARY,
            options=parse(TokensOptions, what, options),
        )
    if name == "digits":
        return Digits(split=split, image=image or DIGITS_SIDE, options=parse(DigitsOptions, what, options))
    if name == "fashion-mnist":
        return FashionMnist(
            folder=folder or FASHION_MNIST_FOLDER,
            split=split,
            image=image or FASHION_MNIST_SIDE,
            options=parse(FashionMnistOptions, what, options),
        )
    if name == "cifar10":
        side = image or CIFAR10_SIDE
        if side > CIFAR10_SIDE:
            raise ValueError(f"image = {image}: CIFAR-10 has {CIFAR10_SIDE}x{CIFAR10_SIDE} images; 1 to {CIFAR10_SIDE}")
        chosen = parse(Cifar10Options, what, options)
        return Cifar10(folder=_needed(name, folder), split=split, image=side, options=chosen)
    if name == "imagenet":
        return Imagenet(
            folder=_needed(name, folder),
            split=split,
            image=image or _IMAGENET_SIDE,
            options=parse(ImagenetOptions, what, options),
        )
    raise ValueError(unknown("data set", name, NAMES))


def _by_pixels(name: str, images: DataSet, levels: int, options: dict[str, object]) -> DataSet:
    if name == "tokens":
        raise ValueError("answers = 'pixels': tokens are no images")
    if "mean" in options or "deviation" in options:
        raise ValueError("answers = 'pixels' needs images in [0, 1]: without mean and deviation")
    return Pixels(images, levels, centred=name == "synthetic")


def _needed(name: str, folder: Path | None) -> Path:
    if folder is None:
        raise ValueError(f"data set {name!r} needs a folder: it is not downloaded")
    return folder
