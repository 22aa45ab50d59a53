"""What a rank has done with averages that it was shown before `step()`: ranks that do different things must hear of it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import horovod.torch as hvd
import torch

from algorithms.mechanisms.errors import TrainingError
from algorithms.torch import collectives
from algorithms.torch.exchange.header import WENT_APART
from algorithms.torch.memory import flat

LARGEST = 1 << 19  # what survives being averaged over ranks in float32 and multiplied again


class History:
    """One small number for all of it; equal on ranks that did the same. 0: every average was applied as it came."""

    def __init__(self) -> None:
        self.word = 0

    def add(self, happened: object) -> None:
        self.word = zlib.crc32(f"{self.word} {happened}".encode()) % (LARGEST - 1) + 1


def compare(history: History, name: str, among: hvd.ProcessSet) -> None:
    """Raise on every rank if they did different things, and begin anew. Collective."""
    word, history.word = history.word, 0
    if len(set(collectives.gather(word, name, among))) > 1:
        raise TrainingError(WENT_APART)


def fingerprint(tensors: Sequence[torch.Tensor | None]) -> tuple[int | None, ...]:
    """Of each tensor's bits: equal for equal ones. Read once, at the speed of memory."""
    return tuple(None if tensor is None else _sum(tensor) for tensor in tensors)


def _sum(tensor: torch.Tensor) -> int:
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    elements = flat(tensor)
    elements = tensor.detach().contiguous().view(-1) if elements is None else elements
    if not elements.numel():
        return 0
    wide = 8 // elements.element_size()
    if wide > 1 and elements.numel() % wide == 0 and elements.storage_offset() % wide == 0:
        return int(elements.view(torch.int64).sum())
    kind = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[elements.element_size()]
    return int(elements.view(kind).sum(dtype=torch.int64))
