"""What every program learns: a few fixed samples, of which each rank has every second one and a serial run all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLES, BATCH, EPOCHS = 32, 4, 3  # of each rank
INPUTS, CLASSES = 6, 3
WORDS, LENGTH = 17, 5


def of_ranks(kind: str, ranks: tuple[int, ...], workers: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Inputs and answers, by item and rank: an item of a serial run holds what the ranks' items hold together."""
    inputs, answers = {"vectors": _vectors, "sentences": _sentences}[kind]()
    rows = [np.arange(rank, workers * SAMPLES, workers) for rank in ranks]
    return np.stack([inputs[mine] for mine in rows], axis=1), np.stack([answers[mine] for mine in rows], axis=1)


def _vectors() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Classes that a linear map tells apart."""
    draw = np.random.default_rng(1)
    inputs = draw.normal(size=(4 * SAMPLES, INPUTS))
    return inputs, (inputs @ draw.normal(size=(INPUTS, CLASSES))).argmax(1)


def _sentences() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Words that count upwards, each sentence from another one on: what follows can be learnt."""
    begins = np.random.default_rng(2).integers(0, WORDS, size=(4 * SAMPLES, 1))
    words = (begins + np.arange(LENGTH)) % WORDS
    return words, words
