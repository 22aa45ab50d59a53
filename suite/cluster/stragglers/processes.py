"""The delays of one rank, step by step."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from suite.cluster.stragglers.distributions import Distribution, Numbers

_BLOCK = 256
_STREAM = 0x5354  # keeps these streams apart from others that are seeded with the same number


class Process(Protocol):
    def delays(self, rank: int, size: int, seed: int) -> Iterator[float]: ...


@dataclass(frozen=True, kw_only=True)
class Constant:
    delay: float

    def delays(self, rank: int, size: int, seed: int) -> Iterator[float]:
        while True:
            yield self.delay


@dataclass(frozen=True, kw_only=True)
class PeriodicPause:
    """The last of every `every` steps takes `length` longer, as for a checkpoint or a garbage collection."""

    every: int
    length: float

    def delays(self, rank: int, size: int, seed: int) -> Iterator[float]:
        while True:
            for _ in range(self.every - 1):
                yield 0.0
            yield self.length


@dataclass(frozen=True, kw_only=True)
class Random:
    """`correlation` between any two ranks in one step, `persistence` from one step to the next (first order
    autoregression), both of the underlying normal numbers. A rank's delays do not depend on the number of ranks."""

    distribution: Distribution
    correlation: float = 0.0
    persistence: float = 0.0

    def delays(self, rank: int, size: int, seed: int) -> Iterator[float]:
        common = self._normals(seed, 0)
        own = self._normals(seed, rank + 1)
        shared, alone = math.sqrt(self.correlation), math.sqrt(1 - self.correlation)
        while True:
            normals = shared * next(common) + alone * next(own)
            yield from map(float, self.distribution.delays(normals))

    def _normals(self, seed: int, stream: int) -> Iterator[Numbers]:
        generator = np.random.default_rng([seed, _STREAM, stream])
        last = generator.standard_normal()
        fresh = math.sqrt(1 - self.persistence**2)
        while True:
            block = generator.standard_normal(_BLOCK)
            if self.persistence:
                for i, innovation in enumerate(block):
                    block[i] = last = self.persistence * last + fresh * innovation
            yield block


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Delays from a file: a line per step, a column per rank, separated by commas; from the start again at its end."""

    file: Path

    @cached_property
    def table(self) -> Numbers:
        try:
            table = np.loadtxt(self.file, delimiter=",", comments="#", ndmin=2, dtype=np.float64)
        except (OSError, ValueError) as error:
            raise ValueError(f"trace file {self.file} cannot be read: {error}") from None
        if table.size == 0:
            raise ValueError(f"trace file {self.file} holds no delays")
        if not np.isfinite(table).all() or (table < 0).any():
            row, column = np.argwhere(~np.isfinite(table) | (table < 0))[0]
            raise ValueError(
                f"trace file {self.file}: step {row}, rank {column} is {table[row, column]}, must be finite and >= 0"
            )
        return table

    @property
    def digest(self) -> str:
        """So that a record says which contents were replayed, not only which name they had."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    def delays(self, rank: int, size: int, seed: int) -> Iterator[float]:
        if self.table.shape[1] < size:
            raise ValueError(f"trace file {self.file} has columns for {self.table.shape[1]} ranks, the job has {size}")
        column = [float(delay) for delay in self.table[:, rank]]
        while True:
            yield from column
