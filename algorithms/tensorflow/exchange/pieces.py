"""Tensors cut into pieces that go over the wire in a planned order, as dataflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import tensorflow as tf

from algorithms.mechanisms.plan import Piece, Route


@dataclass(frozen=True)
class Sent:
    """A piece that this graph has sent already."""

    size: int
    landed: tf.Tensor


Carry = Callable[[Piece, tf.Tensor, str], tf.Tensor]  # a flat piece, and the name it travels by


def exchanged(
    tensors: Mapping[int, tf.Tensor], route: Route, prefix: str, carry: Carry, sent: list[Sent] | None = None
) -> dict[int, tf.Tensor]:
    """What `carry` makes of these tensors over all ranks: means, or sums.

    A piece leaves when it is ready and when the pieces planned before it, but for a window full, have landed. It waits
    for earlier ones only, so there is always one that all ranks can send, however late one of them is.

    sent: what this graph has sent before, which goes first; what leaves now is added to it.
    """
    sent = [] if sent is None else sent
    order = [piece for piece in route.order if piece.tensor in tensors]
    flat = {number: tf.reshape(tensor, [-1]) for number, tensor in tensors.items()}
    landed: list[tf.Tensor] = []
    for piece in order:
        with tf.control_dependencies(_gate(sent, piece.size, route.window)):
            # No copy where it begins on a border of 64 bytes; splitting a tensor at once would copy all of it.
            part = tf.slice(flat[piece.tensor], [piece.start], [piece.size])
        landed.append(carry(piece, part, f"{prefix}.{piece.tensor}.{piece.start}"))
        sent.append(Sent(piece.size, landed[-1]))
    by_tensor: dict[int, list[tuple[int, tf.Tensor]]] = {}
    for piece, part in zip(order, landed, strict=True):
        by_tensor.setdefault(piece.tensor, []).append((piece.start, part))
    whole = {
        number: tf.reshape(_joined([part for _, part in sorted(held, key=lambda h: h[0])]), tensors[number].shape)
        for number, held in by_tensor.items()
    }
    return {number: whole.get(number, tensor) for number, tensor in tensors.items()}  # empty tensors have no pieces


def _gate(sent: Sequence[Sent], size: int, window: int) -> list[tf.Tensor]:
    """What must have landed before a piece of this size leaves: one piece, for whose sake it waits for no others."""
    flying = size
    for earlier in reversed(sent):
        flying += earlier.size
        if flying > window:
            return [earlier.landed]
    return []


def _joined(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    return parts[0] if len(parts) == 1 else tf.concat(parts, 0)
