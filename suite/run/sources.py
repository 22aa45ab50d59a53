"""A rank's data, as a specification asks for it."""

from __future__ import annotations

from typing import Any

from suite.data import Source, Split, open_data
from suite.run import choices
from suite.run.specification import Specification

_SYNTHETIC_BYTES = 128 * 2**20  # of all ranks together, unless the specification sets the number of samples
_SYNTHETIC_SAMPLES = 1024
_ANY_CHANNELS = ("synthetic", "digits")  # these come with as many channels as the net takes


def open_source(specification: Specification, split: Split, rank: int, size: int) -> Source:
    """Training data, or held-out data limited to `evaluate_samples`."""
    model, data = specification.model, specification.data
    image = choices.REPLAY_INPUT[0] if model.replay is not None else model.image
    options: dict[str, Any] = dict(data.options)
    if data.name in _ANY_CHANNELS:
        shape = choices.REPLAY_INPUT if model.replay is not None else choices.net_of(model).input_shape
        options.setdefault("channels", shape[-1])
    if data.name == "synthetic" and split == "train":
        options.setdefault("samples", _synthetic_samples(image or 1, specification.batch_size * size))
    return open_data(
        data.name,
        split=split,
        batch_size=specification.batch_size,
        rank=rank,
        size=size,
        seed=specification.seed,
        image=image,
        classes=model.classes,
        folder=data.folder,
        limit=specification.evaluate_samples if split == "test" else None,
        **options,
    )


def _synthetic_samples(image: int, global_batch: int) -> int:
    """A whole number of steps per epoch, so that no short batch makes one timed step unlike the others."""
    fits = min(_SYNTHETIC_SAMPLES, _SYNTHETIC_BYTES // (image * image * 3 * 4))
    return max(1, fits // global_batch) * global_batch
