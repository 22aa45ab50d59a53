"""Sequences of symbols that need no disk and can be learned: a random Markov chain, answered by the symbol that follows.

Each symbol has a few likely successors. A net that learns them comes down from log(vocabulary) to the chain's own entropy
(`entropy`), and no further. As with `synthetic`, the task is fixed by its own seed, and a rank makes its samples once.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from suite.data.contents import Contents
from suite.data.options import Options
from suite.data.sharding import Indices
from suite.data.source import Batch, Split

_CHAIN, _SAMPLES = 0, {"train": 1, "test": 2}
_DEFAULT_SAMPLES = {"train": 2048, "test": 256}


class TokensOptions(Options):
    samples: Annotated[int, Field(ge=1)] | None = None
    """Sequences of all ranks together; by default 2048 (test: 256)."""
    successors: Annotated[int, Field(ge=1)] = 4
    """Symbols that may follow one symbol."""
    task: Annotated[int, Field(ge=0)] = 0


class Tokens:
    skipped = 0

    def __init__(self, *, split: Split, length: int, vocabulary: int, options: TokensOptions) -> None:
        self._options = options
        self._split = split
        self.image_shape = (length,)
        count = min(options.successors, vocabulary)
        draw = np.random.default_rng([options.task, _CHAIN])
        self._successors = np.stack([draw.permutation(vocabulary)[:count] for _ in range(vocabulary)])
        self._shares: NDArray[np.float64] = draw.dirichlet(np.ones(count), size=vocabulary)
        samples = options.samples or _DEFAULT_SAMPLES[split]
        self.contents = Contents(
            where=f"synthetic tokens, {split}",
            classes=tuple(f"symbol {symbol}" for symbol in range(vocabulary)),
            samples=samples,
            digest=f"{options!r} {split} {length} {vocabulary}",
            checked="generated",
        )
        self._place: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._sequences: NDArray[np.int32] = np.zeros((0, length + 1), dtype=np.int32)

    def entropy(self, symbols: NDArray[np.int64]) -> float:
        """The least mean loss that the answers to these symbols allow, in nats."""
        shares = self._shares[symbols.reshape(-1)]
        return float(-np.mean(np.sum(shares * np.log(np.maximum(shares, 1e-300)), axis=1)))

    def keep(self, owned: Indices) -> None:
        length = self.image_shape[0]
        draws = np.empty((len(owned), length + 1))
        for place, sample in enumerate(owned):
            # Each sequence from its own number, so that it is the same whichever rank makes it.
            draws[place] = np.random.default_rng([self._options.task, _SAMPLES[self._split], int(sample)]).random(
                length + 1
            )
        bounds = np.cumsum(self._shares, axis=1)
        sequences = np.empty((len(owned), length + 1), dtype=np.int32)
        sequences[:, 0] = draws[:, 0] * len(self._shares)
        for place in range(1, length + 1):
            before = sequences[:, place - 1]
            chosen = np.sum(draws[:, place, None] >= bounds[before, :-1], axis=1)
            sequences[:, place] = self._successors[before, chosen]
        self._place = np.full(self.contents.samples, -1, dtype=np.int64)
        self._place[owned] = np.arange(len(owned))
        self._sequences = sequences

    def read(self, samples: Indices, random: np.random.Generator | None) -> Batch:
        places = self._place[samples]
        if np.any(places < 0):
            raise ValueError(f"sample {int(samples[places < 0][0])} is not among those this rank keeps")
        sequences = self._sequences[places]
        return np.ascontiguousarray(sequences[:, :-1]), sequences[:, 1:].astype(np.int64)
