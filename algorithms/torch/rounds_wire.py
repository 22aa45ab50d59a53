"""Votes and payloads on Horovod, from the helper thread of a worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import horovod.torch as hvd
import torch

from algorithms.mechanisms.quorum_ballot import Vector
from algorithms.mechanisms.quorum_pace import Patience
from algorithms.mechanisms.watching import Watcher
from algorithms.torch.memory import size_in_bytes
from algorithms.torch.rounds_space import Flat, Piece, Space

WINDOW = 3  # exchanges under way at once: one travels, one is being added, one is being filled

K = TypeVar("K")


class CutError(RuntimeError):
    """This worker's helper has been told to stop."""


class TorchWire:
    """What the helper does with Horovod. Nothing here waits in Horovod itself, whose wait spins a core."""

    def __init__(self, space: Space, prefix: str, clock: Callable[[], float], *, adasum: bool = False) -> None:
        self.space, self.prefix, self.clock = space, prefix, clock
        self.op = hvd.Adasum if adasum else hvd.Sum
        self.patience = Patience(clock)
        self.buffers: dict[tuple[int, int], torch.Tensor] = {}
        self.bytes_sent = 0  # of payloads; votes are a few hundred bytes each
        self.payload_seconds = 0.0
        self.cut = False
        self.watcher: Watcher | None = None
        self.titles: Sequence[str] = ()  # of the pieces, for the watcher

    def vote(self, vector: Vector) -> Vector:
        tensor = torch.from_numpy(vector.copy())
        self._wait(hvd.allreduce_async_(tensor, op=hvd.Sum, name=f"{self.prefix}vote.{len(vector)}"))
        total: Vector = tensor.numpy()
        return total

    def abort(self) -> None:
        if not self.cut:
            hvd.shutdown()

    def exchange(
        self,
        pieces: Iterable[Piece],
        fill: Callable[[Piece, torch.Tensor], K],
        land: Callable[[Piece, torch.Tensor, K], None],
    ) -> None:
        """Add up every piece over all workers: `fill` writes this worker's part, `land` takes the sum.

        What `fill` returns is handed to `land`. A piece is filled before the ones just before it have landed.
        """
        began = self.clock()
        flying: deque[tuple[int, float, Piece, torch.Tensor, K]] = deque()

        def land_one() -> None:
            handle, left, piece, buffer, kept = flying.popleft()
            self._wait(handle)
            if self.watcher is not None and left:
                self.watcher.add(f"exchange {self.titles[piece.number]}", left, self.watcher.clock() - left)
            land(piece, buffer, kept)

        for number, piece in enumerate(pieces):
            if len(flying) == WINDOW:
                land_one()
            buffer = self._buffer(piece, number % WINDOW)
            kept = fill(piece, buffer)
            name = f"{self.prefix}piece.{piece.number}"
            left = 0.0 if self.watcher is None else self.watcher.clock()
            flying.append((hvd.allreduce_async_(buffer, op=self.op, name=name), left, piece, buffer, kept))
            self.bytes_sent += buffer.numel() * buffer.element_size()
        while flying:
            land_one()
        self.payload_seconds += self.clock() - began

    def broadcast(self, flat: Flat) -> None:
        """Make a flat array equal to rank 0's, bit for bit."""
        for number, array in enumerate(flat):
            self.broadcast_tensor(array, f"broadcast.{number}")

    def broadcast_tensor(self, tensor: torch.Tensor, name: str) -> None:
        """The same for one tensor."""
        wire_dtype = torch.float32 if tensor.dtype is torch.bfloat16 else tensor.dtype
        sent = tensor.to("cpu", wire_dtype).contiguous()
        self._wait(hvd.broadcast_async_(sent, 0, name=self.prefix + name))
        if sent is not tensor:
            tensor.copy_(sent)

    @property
    def bytes_held(self) -> int:
        return size_in_bytes(self.buffers.values())

    def _buffer(self, piece: Piece, slot: int) -> torch.Tensor:
        """A part of a scratch buffer, in the memory that Horovod was built to read."""
        group = self.space.groups[piece.group]
        key = (piece.group, slot)
        if key not in self.buffers:
            largest = max(p.cut.size for p in self.space.pieces if p.group == piece.group)
            # Of GPUs in one host Horovod's Adasum takes the mean; of tensors in main memory it is Adasum throughout.
            on_device = hvd.nccl_built() and self.op != hvd.Adasum
            device = group.device if on_device else torch.device("cpu")
            self.buffers[key] = torch.empty(largest, dtype=group.wire_dtype, device=device)
        return self.buffers[key][: piece.cut.size]

    def _wait(self, handle: int) -> None:
        self.patience.until(lambda: self.cut or hvd.poll(handle))
        if self.cut:
            raise CutError("the rounds of this worker have been cut off")
        hvd.synchronize(handle)
