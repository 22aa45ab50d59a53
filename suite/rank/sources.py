"""A rank's data, as a specification asks for it."""

from __future__ import annotations

import math
from typing import Any

from suite.data import Source, Split, open_data
from suite.experiment import choices
from suite.record.specification import Specification

_MADE_UP = ("synthetic", "tokens")
_MADE_UP_BYTES = 128 * 2**20  # of all ranks together, unless the specification sets the number of samples
_MADE_UP_SAMPLES = 1024
_ANY_CHANNELS = ("synthetic", "digits", "fashion-mnist")  # these come with as many channels as the net takes


def open_source(
    specification: Specification, split: Split, rank: int, size: int, *, every_rank: bool = False
) -> Source:
    """Training data, or held-out data limited to `evaluate_samples`, with the answers that the net is asked for."""
    model, data = specification.model, specification.data
    options: dict[str, Any] = dict(data.options)
    net = choices.net_of(model)
    replayed = model.replay is not None  # takes any input and answers with classes
    shape = choices.REPLAY_INPUT if replayed else net.input_shape
    if data.name in _ANY_CHANNELS:
        options.setdefault("channels", shape[-1])
    if data.name in _MADE_UP and split == "train":
        options.setdefault("samples", _made_up_samples(math.prod(shape), specification.batch_size * size))
    return open_data(
        data.name,
        split=split,
        batch_size=specification.batch_size,
        rank=rank,
        size=size,
        seed=specification.seed,
        image=shape[0],
        classes=model.classes,
        folder=data.folder,
        every_rank=every_rank,
        answers="pixels" if net.answers == "pixels" and not replayed else "classes",
        limit=specification.evaluate_samples if split == "test" else None,
        **options,
    )


def _made_up_samples(values: int, global_batch: int) -> int:
    """A whole number of steps per epoch, so that no short batch makes one timed step unlike the others."""
    fits = min(_MADE_UP_SAMPLES, _MADE_UP_BYTES // (values * 4))
    return max(1, fits // global_batch) * global_batch
