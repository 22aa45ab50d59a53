"""Do ranks hold the same values? Compared as digests: a handful of bytes for each tensor."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

import horovod.torch as hvd
import torch

from algorithms.torch import collectives
from algorithms.torch.errors import RanksDisagree
from algorithms.torch.memory import flat


def digest(tensor: torch.Tensor) -> int:
    """Of the bits, so that equal means equal."""
    elements = flat(tensor)
    bits = (tensor.detach().contiguous().view(-1) if elements is None else elements).view(torch.uint8)
    return zlib.crc32(bits.cpu().numpy().data)


def check(named: Sequence[tuple[str, torch.Tensor]], step: int, name: str, among: hvd.ProcessSet) -> None:
    """Raise on every rank, naming the first tensor that differs and the ranks that the others outvote. Collective."""
    digests = [digest(tensor) for _, tensor in named]
    by_rank = [answer for answer in collectives.gather(digests, name, among) if isinstance(answer, list)]
    for number, (said, _) in enumerate(named):
        values = [answer[number] for answer in by_rank]
        usual = max(Counter(values).items(), key=lambda item: (item[1], item[0] == values[0]))[0]
        different = [rank for rank, value in enumerate(values) if value != usual]
        if different:
            raise RanksDisagree(
                f"after step {step}, {said} of rank {', '.join(map(str, different))} differs from the others': something "
                "changed parameters outside the optimizer, or an exchange was not exact"
            )
