"""Pieces of tensors on Horovod's wire, in the format that was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import horovod.torch as hvd
import torch

from algorithms.mechanisms.plan import Piece
from algorithms.torch import collectives
from algorithms.torch.arrays import Memories, TorchArrays, Undo, shape_of
from algorithms.torch.memory import flat
from algorithms.wire import NONE, Format
from algorithms.wire.format import Crossing, Journey, Leg, Memory, Reduce, Shape

# Horovod 0.28.1 has no bfloat16. float32 holds each of them, so casting loses nothing; the sum is rounded once, at the end.
TRAVELS = {torch.float16: torch.float16, torch.float32: torch.float32, torch.float64: torch.float64}
OPS = {Reduce.SUM: hvd.Sum, Reduce.MEAN: hvd.Average, Reduce.MAX: hvd.Max}
ARRAYS = TorchArrays()


@dataclass(frozen=True, eq=False)
class Cargo:
    """A tensor that is averaged where it lies."""

    tensor: torch.Tensor
    wire: torch.Tensor  # flat, of a type that Horovod knows; the same memory as `tensor` where that can be
    shared: bool
    ready: torch.cuda.Event | None  # the stream that computed it has got this far
    form: Format
    shape: Shape
    owed: dict[int, torch.Tensor] = field(default_factory=dict)  # to what is remembered of it
    undo: Undo = field(default_factory=Undo)  # what becomes of that

    @property
    def extra_bytes(self) -> int:
        return 0 if self.shared else self.wire.numel() * self.wire.element_size()


def kind_on_wire(dtype: torch.dtype, form: Format) -> torch.dtype:
    """What a format is given. What it leaves behind of half a number would itself need more than half a number."""
    kind = TRAVELS.get(dtype, torch.float32)
    return torch.float32 if form.feeds_back and kind is torch.float16 else kind


def declared_bytes(form: Format, parameters: Iterable[torch.Tensor]) -> int:
    """What one exchange of all of these hands to Horovod."""
    return sum(form.bytes(shape_of(one), kind_on_wire(one.dtype, form).itemsize) for one in parameters)


def load(tensor: torch.Tensor, form: Format = NONE, owed: dict[int, torch.Tensor] | None = None) -> Cargo:
    """Make a dense tensor ready to leave, with what is `owed` to its residuals."""
    elements = flat(tensor)
    if elements is None:
        raise ValueError(f"a tensor of strides {tensor.stride()} and shape {tuple(tensor.shape)} has gaps")
    wire = elements.to(kind_on_wire(elements.dtype, form))
    ready = None
    if wire.is_cuda:
        ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        ready.record(torch.cuda.current_stream(wire.device))
    return Cargo(tensor, wire, wire is elements, ready, form, shape_of(tensor), owed or {})


@dataclass(eq=False)
class Trip:
    """Pieces that travel together, leg after leg."""

    name: str
    parts: Sequence[tuple[Cargo, Piece]]
    memories: list[Memory]  # before it
    journeys: list[Journey]
    legs: dict[int, Leg] = field(default_factory=dict)  # under way, by part
    handles: list[int] = field(default_factory=list)
    stage: int = 0


class HorovodWire:
    """Pieces of cargo as named, asynchronous, in-place all-reduces, coded and decoded by the thread that sends them."""

    def __init__(self, form: Format = NONE, workers: int = 1, among: hvd.ProcessSet = hvd.global_process_set) -> None:
        self.memories = Memories(form)
        self.bytes_sent = 0
        self._several = form.feeds_back  # legs, perhaps
        self._workers, self._among = workers, among
        self._trips: dict[int, Trip] = {}
        self._sent = 0

    def send(self, parts: Sequence[tuple[Cargo, Piece]], name: str) -> int:
        for cargo, _ in parts:
            if cargo.ready is not None:
                torch.cuda.current_stream(cargo.wire.device).wait_event(cargo.ready)
        memories = [self._memory(cargo, piece) for cargo, piece in parts]
        journeys = [self._journey(*part, memory) for part, memory in zip(parts, memories, strict=True)]
        trip = Trip(name, parts, memories, journeys)
        trip.legs = {number: next(journey) for number, journey in enumerate(trip.journeys)}
        self._submit(trip)
        self._sent += 1
        self._trips[self._sent] = trip
        return self._sent

    def done(self, handle: int) -> bool:
        if self._several:
            for trip in self._trips.values():  # behind this one, too: what is between two legs leaves the wire idle
                self._advance(trip)
        return self._advance(self._trips[handle])

    def take(self, handle: int) -> None:
        del self._trips[handle]

    def landed(self, cargo: Cargo) -> None:
        if not cargo.shared:
            elements = flat(cargo.tensor)
            assert elements is not None
            elements.data.copy_(cargo.wire)  # `data`: a new version would look as if the user had changed the gradient
        if cargo.ready is not None and not (cargo.shared and cargo.form == NONE):
            # Who waits for it computes on a stream that knows nothing of this one.
            torch.cuda.current_stream(cargo.wire.device).synchronize()

    def _memory(self, cargo: Cargo, piece: Piece) -> Memory:
        part = cargo.wire[piece.start : piece.stop]
        memory = self._memories(cargo).at(piece.tensor, piece.start, piece.stop, cargo.shape, part)
        owed = cargo.owed.pop(piece.start, None)
        return memory if owed is None else memory.without(memory.residual + owed)

    def _journey(self, cargo: Cargo, piece: Piece, memory: Memory) -> Journey:
        part = cargo.wire[piece.start : piece.stop]
        crossing = Crossing(workers=self._workers, shape=cargo.shape, mean=True)
        return cargo.form.journey(part, memory, crossing, ARRAYS)

    def _memories(self, cargo: Cargo) -> Memories:
        return self.memories if cargo.form is self.memories.form else Memories(cargo.form)

    def _submit(self, trip: Trip) -> None:
        alike: dict[tuple[Reduce, torch.dtype, torch.device], list[torch.Tensor]] = {}
        for leg in trip.legs.values():
            alike.setdefault((leg.reduce, leg.array.dtype, leg.array.device), []).append(leg.array)
        trip.handles = []
        for group, ((reduce, _, _), arrays) in enumerate(alike.items()):
            name = trip.name if not (trip.stage or group) else f"{trip.name}.{trip.stage}.{group}"
            if len(arrays) == 1:
                trip.handles.append(collectives.submit(arrays[0], name, OPS[reduce], self._among))
            else:
                trip.handles.append(collectives.submit_together(arrays, name, OPS[reduce], self._among))
            self.bytes_sent += sum(array.numel() * array.element_size() for array in arrays)
        trip.stage += 1

    def _advance(self, trip: Trip) -> bool:
        """Go on where the leg under way has ended. Whether that was the last."""
        if not trip.legs:
            return True
        if not all(map(collectives.arrived, trip.handles)):
            return False
        for handle in trip.handles:
            collectives.take(handle)
        legs, trip.legs = trip.legs, {}
        for number, leg in legs.items():
            try:
                trip.legs[number] = trip.journeys[number].send(leg.array)
            except StopIteration as end:
                cargo, piece = trip.parts[number]
                part = cargo.wire[piece.start : piece.stop]
                if end.value.result.data_ptr() != part.data_ptr():
                    part.data.copy_(end.value.result)
                memory = end.value.memory
                self._memories(cargo).keep(piece.tensor, piece.start, memory)
                cargo.undo.note(piece.start, trip.memories[number].residual, memory.residual)
        if trip.legs:
            self._submit(trip)
        return not trip.legs
