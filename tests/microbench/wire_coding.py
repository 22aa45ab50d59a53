"""What coding costs beside what it saves: processor time of each format's own lines, and the rate below which it pays.

    python -m tests.microbench.wire_coding [--model alexnet] [--size 0.125] [--ranks 2]

One thread, nothing travels. A format pays where the seconds on the wire that it saves, in a ring, are more than it
takes to code and decode; coding that hides behind the wire or behind sleeping costs less than that.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from algorithms.mechanisms.plan import Piece
from algorithms.mechanisms.routes import GRAIN
from algorithms.torch.arrays import Memories, TorchArrays, shape_of
from algorithms.torch.exchange.profile import freight
from algorithms.torch.exchange.wire import declared_bytes
from algorithms.wire import FORMATS, NONE, Format
from algorithms.wire.format import Crossing
from suite.models import profile

REPEATS = 7


def once(form: Format, tensors: list[torch.Tensor], pieces: list[Piece], memories: Memories, ranks: int) -> float:
    """Seconds of all pieces, as a binding carries them, less the wire."""
    begun = time.process_time()
    for piece in pieces:
        tensor = tensors[piece.tensor]
        part = tensor.view(-1)[piece.start : piece.stop]
        crossing = Crossing(workers=ranks, shape=shape_of(tensor), mean=True)
        memory = memories.at(piece.tensor, piece.start, piece.stop, crossing.shape, part)
        journey = form.journey(part, memory, crossing, TorchArrays())
        leg = next(journey)
        while True:
            try:
                leg = journey.send(leg.array)
            except StopIteration as end:
                part.copy_(end.value.result)
                memories.keep(piece.tensor, piece.start, end.value.memory)
                break
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="alexnet")
    parser.add_argument("--size", type=float, default=0.125)
    parser.add_argument("--ranks", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    recorded = profile.find(f"{asked.model}-torch-cpu").scaled(size=asked.size)
    tensors = [torch.randn(shape) for layer in recorded.layers for _, shape in layer.parameters]
    plain, ring = declared_bytes(NONE, tensors), 2 * (asked.ranks - 1) / asked.ranks
    for kind in FORMATS.values():
        form = kind()
        fitting = freight(form, tensors)
        pieces = fitting.pieces([tensor.numel() for tensor in tensors], fitting.grain(GRAIN))
        memories = Memories(form)
        seconds = [once(form, tensors, pieces, memories, asked.ranks) for _ in range(REPEATS)][1:]
        cost, sent = statistics.median(seconds), declared_bytes(form, tensors)
        pays = (plain - sent) * ring * 8 / cost / 1e6 if sent < plain else 0.0
        print(
            f"{form!s:10} {sent / 1e6:7.2f} of {plain / 1e6:.2f} MB ({sent / plain:.3f})  {cost * 1e3:6.1f} ms"
            + (f"  pays below {pays:,.0f} Mbit/s" if pays else "")
        )


if __name__ == "__main__":
    main()
