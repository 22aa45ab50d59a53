"""Pieces of tensors on Horovod's wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import horovod.torch as hvd
import torch

from algorithms.mechanisms.plan import Piece
from algorithms.torch.memory import flat

# Horovod 0.28.1 has no bfloat16. float32 holds each of them, so casting loses nothing; the sum is rounded once, at the end.
TRAVELS = {torch.float16: torch.float16, torch.float32: torch.float32, torch.float64: torch.float64}


@dataclass(frozen=True, eq=False)
class Cargo:
    """A tensor that is averaged where it lies."""

    tensor: torch.Tensor
    wire: torch.Tensor  # flat, of a type that Horovod knows; the same memory as `tensor` where that can be
    shared: bool
    ready: torch.cuda.Event | None  # the stream that computed it has got this far

    @property
    def bytes(self) -> int:
        return self.wire.numel() * self.wire.element_size()

    @property
    def extra_bytes(self) -> int:
        return 0 if self.shared else self.bytes


def load(tensor: torch.Tensor) -> Cargo:
    """Make a dense tensor ready to leave."""
    elements = flat(tensor)
    if elements is None:
        raise ValueError(f"a tensor of strides {tensor.stride()} and shape {tuple(tensor.shape)} has gaps")
    kind = TRAVELS.get(elements.dtype, torch.float32)
    wire = elements.to(kind)
    ready = None
    if wire.is_cuda:
        ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        ready.record(torch.cuda.current_stream(wire.device))
    return Cargo(tensor, wire, wire is elements, ready)


class HorovodWire:
    """Pieces of cargo as named, asynchronous, in-place all-reduces."""

    def send(self, parts: Sequence[tuple[Cargo, Piece]], name: str) -> int:
        for cargo, _ in parts:
            if cargo.ready is not None:
                torch.cuda.current_stream(cargo.wire.device).wait_event(cargo.ready)
        elements = [cargo.wire[piece.start : piece.stop] for cargo, piece in parts]
        if len(elements) == 1:
            handle: int = hvd.allreduce_async_(elements[0], name=name, op=hvd.Average)
        else:
            handle = hvd.grouped_allreduce_async_(elements, name=name, op=hvd.Average)
        return handle

    def done(self, handle: int) -> bool:
        return bool(hvd.poll(handle))

    def take(self, handle: int) -> None:
        hvd.synchronize(handle)

    def landed(self, cargo: Cargo) -> None:
        if not cargo.shared:
            elements = flat(cargo.tensor)
            assert elements is not None
            elements.data.copy_(cargo.wire)  # `data`: a new version would look as if the user had changed the gradient
            if cargo.ready is not None:  # who waits for it computes on a stream that knows nothing of this one
                torch.cuda.current_stream(cargo.wire.device).synchronize()
