"""Votes and payloads on Horovod, from the helper thread of a worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import horovod.torch as hvd
import torch
from horovod.common.exceptions import HorovodInternalError

from algorithms.mechanisms.quorum.ballot import Vector
from algorithms.mechanisms.quorum.pace import Patience
from algorithms.mechanisms.watching import Watcher
from algorithms.torch import collectives
from algorithms.torch.arrays import Memories, shape_of
from algorithms.torch.exchange.wire import ARRAYS, OPS, kind_on_wire
from algorithms.torch.memory import size_in_bytes
from algorithms.torch.rounds.space import Flat, Space, Stretch
from algorithms.wire import NONE, Format
from algorithms.wire.format import Crossing, Journey, Landed, Leg, Memory, Reduce, Shape

WINDOW = 3  # exchanges under way at once: one travels, one is being added, one is being filled

K = TypeVar("K")


@dataclass(eq=False)
class Flying(Generic[K]):
    """A piece under way."""

    piece: Stretch
    journey: Journey
    leg: Leg
    handle: int
    left: float  # on the watcher's clock, if there is one
    kept: K


class TorchWire:
    """What the helper does with Horovod. Nothing here waits in Horovod itself, whose wait spins a core."""

    def __init__(
        self,
        space: Space,
        prefix: str,
        clock: Callable[[], float],
        *,
        adasum: bool = False,
        form: Format = NONE,
        among: hvd.ProcessSet,
    ) -> None:
        self.space, self.prefix, self.clock = space, prefix, clock
        self.ops = {**OPS, Reduce.SUM: hvd.Adasum if adasum else hvd.Sum}
        self.form, self.among, self.memories = form, among, Memories(form)
        self.patience = Patience(clock)
        self.buffers: dict[tuple[int, int], torch.Tensor] = {}
        self.bytes_sent = 0  # of payloads; votes are a few hundred bytes each
        self.payload_seconds = 0.0
        self.lost = False  # Horovod itself has failed
        self.watcher: Watcher | None = None
        self.titles: Sequence[str] = ()  # of the pieces, for the watcher

    def vote(self, vector: Vector) -> Vector:
        tensor = torch.from_numpy(vector.copy())
        name = f"{self.prefix}vote.{len(vector)}"
        with self._noticing():
            handle = collectives.submit(tensor, name, hvd.Sum, self.among)
        self._wait(handle)
        total: Vector = tensor.numpy()
        return total

    def abort(self) -> None:
        if not self.lost:  # else there is nothing to end, and the training thread may still ask for its rank
            collectives.leave()

    def exchange(
        self,
        pieces: Iterable[Stretch],
        fill: Callable[[Stretch, torch.Tensor], K],
        land: Callable[[Stretch, torch.Tensor, K], None],
        *,
        present: bool = True,
    ) -> None:
        """Add up every piece over all workers: `fill` writes this worker's part, `land` takes the sum.

        What `fill` returns is handed to `land`. A piece is filled before the ones just before it have landed. `present`:
        this worker has something to add; else it fills in zeros, and what it remembers stays with it.
        """
        began = self.clock()
        flying: deque[Flying[K]] = deque()

        def land_one() -> None:
            one = flying.popleft()
            while True:
                self._wait(one.handle)
                try:
                    one.leg = one.journey.send(one.leg.array)
                except StopIteration as end:
                    landed: Landed = end.value
                    break
                one.handle = self._submit(one.leg, f"piece.{one.piece.number}.more")
            self._remember(one.piece, landed.memory if present else Memory(None, landed.memory.basis))
            if self.watcher is not None and one.left:
                self.watcher.add(f"exchange {self.titles[one.piece.number]}", one.left, self.watcher.clock() - one.left)
            land(one.piece, landed.result, one.kept)

        for number, piece in enumerate(pieces):
            if len(flying) == WINDOW:
                land_one()
            buffer = self._buffer(piece, number % WINDOW)
            kept = fill(piece, buffer)
            journey = self._journey(piece, buffer, present=present)
            leg = next(journey)
            left = 0.0 if self.watcher is None else self.watcher.clock()
            flying.append(Flying(piece, journey, leg, self._submit(leg, f"piece.{piece.number}"), left, kept))
        while flying:
            land_one()
        self.payload_seconds += self.clock() - began

    def _journey(self, piece: Stretch, buffer: torch.Tensor, *, present: bool) -> Journey:
        if not self.form.feeds_back:  # a piece may be of several tensors
            shape: Shape = (piece.cut.size,)
            memory = Memory()
        else:
            part = self.space.part(piece)
            shape = shape_of(self.space.parameters[part[0]])
            memory = self.memories.at(*part, shape, buffer)
        known = memory if present else memory.without(torch.zeros_like(buffer))
        return self.form.journey(buffer, known, Crossing(workers=self.among.size(), shape=shape, mean=False), ARRAYS)

    def _remember(self, piece: Stretch, memory: Memory) -> None:
        if self.form.feeds_back:
            tensor, start, _ = self.space.part(piece)
            self.memories.keep(tensor, start, memory)

    def _submit(self, leg: Leg, name: str) -> int:
        self.bytes_sent += leg.array.numel() * leg.array.element_size()
        with self._noticing():
            return collectives.submit(leg.array, self.prefix + name, self.ops[leg.reduce], self.among)

    def broadcast(self, flat: Flat) -> None:
        """Make a flat array equal to rank 0's, bit for bit."""
        for number, array in enumerate(flat):
            self.broadcast_tensor(array, f"broadcast.{number}")

    def broadcast_tensor(self, tensor: torch.Tensor, name: str) -> None:
        """The same for one tensor."""
        wire_dtype = torch.float32 if tensor.dtype is torch.bfloat16 else tensor.dtype
        sent = tensor.to("cpu", wire_dtype).contiguous()
        with self._noticing():
            handle = collectives.broadcast_async(sent, self.prefix + name, self.among)
        self._wait(handle)
        if sent is not tensor:
            tensor.copy_(sent)

    @property
    def bytes_held(self) -> int:
        return size_in_bytes(self.buffers.values()) + self.memories.bytes

    def _buffer(self, piece: Stretch, slot: int) -> torch.Tensor:
        """A part of a scratch buffer, in the memory that Horovod was built to read."""
        group = self.space.groups[piece.group]
        key = (piece.group, slot)
        if key not in self.buffers:
            largest = max(p.cut.size for p in self.space.pieces if p.group == piece.group)
            # Of GPUs in one host Horovod's Adasum takes the mean; of tensors in main memory it is Adasum throughout.
            on_device = hvd.nccl_built() and self.ops[Reduce.SUM] != hvd.Adasum
            device = group.device if on_device else torch.device("cpu")
            self.buffers[key] = torch.empty(largest, dtype=kind_on_wire(group.dtype, self.form), device=device)
        return self.buffers[key][: piece.cut.size]

    def _wait(self, handle: int) -> None:
        with self._noticing():
            self.patience.until(lambda: collectives.arrived(handle))
            collectives.take(handle)

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except HorovodInternalError:
            self.lost = True
            raise
