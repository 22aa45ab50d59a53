"""Whether ranks hold the same tensors, compared as a handful of bytes for each."""

from __future__ import annotations

from collections.abc import Sequence

import horovod.torch as hvd
import torch

from algorithms.mechanisms.agreement import digest, require_equal
from algorithms.torch import collectives
from algorithms.torch.memory import flat


def bits(tensor: torch.Tensor) -> torch.Tensor:
    elements = flat(tensor)
    laid_out = tensor.detach().contiguous().view(-1) if elements is None else elements
    return laid_out.view(torch.uint8).cpu()


def check(named: Sequence[tuple[str, torch.Tensor]], step: int, name: str, among: hvd.ProcessSet) -> None:
    """Raise RanksDisagree on every rank, unless all hold the same. Collective."""
    digests = [digest(bits(tensor).numpy()) for _, tensor in named]
    by_rank = [answer for answer in collectives.gather(digests, name, among) if isinstance(answer, list)]
    require_equal(by_rank, [said for said, _ in named], f"after step {step}")
