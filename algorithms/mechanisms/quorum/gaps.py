"""Which parameters have a gradient in a round: what nobody has one for, an optimizer leaves alone.

A worker says in its ballot by a mark which of its gradients are missing. What a mark stands for is asked once, in a small
exchange of its own, when it is in a round for the first time: where always the same are missing nothing else travels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from algorithms.mechanisms.quorum.ballot import Vector, Verdict

MOST = 1000  # marks that are remembered; then all workers forget all of them

Has = NDArray[np.bool_]


class Gaps:
    """What all workers know of each other's marks, the same on each."""

    def __init__(self, parameters: int, total: Callable[[Vector], Vector]) -> None:
        """`total` adds up what all workers hand over."""
        self._all = np.ones(parameters, bool)
        self._total = total
        self._known: dict[int, Has] = {}
        self._mine = self._all

    def mark(self, present: Sequence[bool]) -> int:
        """Of what this worker is about to offer; 0 where nothing is missing."""
        self._mine = np.array(present, bool)
        if self._mine.all():
            return 0
        return int.from_bytes(hashlib.blake2b(self._mine.tobytes(), digest_size=7).digest(), "little") or 1

    def present(self, verdict: Verdict, worker: int) -> Has:
        """Which parameters any of the offers taken has a gradient for. All workers ask this of each round."""
        found = np.zeros_like(self._all)
        for offer, terms in zip(verdict.taken, verdict.terms, strict=True):
            if terms.weight:
                found |= self._of(terms.missing, leads=offer.worker == worker)
        return found

    def _of(self, mark: int, *, leads: bool) -> Has:
        if not mark:
            return self._all
        if mark not in self._known:
            if len(self._known) >= MOST:
                self._known.clear()
            mine = self._mine if leads else np.zeros_like(self._all)
            self._known[mark] = self._total(mine.astype(np.int64)) > 0
        return self._known[mark]

    def forget(self) -> None:
        """Workers go on that may have seen other rounds."""
        self._known.clear()
