"""Exchange algorithms as dataflow: gradients in, averages out, each available when the algorithm would have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from algorithms.contract import Exchange, Finish, Moment

Whole = Callable[[int, tf.Tensor, str], tf.Tensor]  # a tensor's number, the tensor, and the name it travels by


def gated(tensors: Sequence[tf.Tensor], by: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The same tensors, available only when all of `by` are."""
    with tf.control_dependencies(by):
        return [tf.identity(tensor) for tensor in tensors]


def reduced(algorithm: Exchange, gradients: Mapping[int, tf.Tensor], prefix: str, whole: Whole) -> dict[int, tf.Tensor]:
    """Start the exchange of these gradients when the algorithm says so."""
    if algorithm.start is Moment.BACKWARD_ENDED:
        gradients = dict(zip(gradients, gated(list(gradients.values()), by=list(gradients.values())), strict=True))
    return {number: whole(number, gradient, f"{prefix}.{number}") for number, gradient in gradients.items()}


def finished(algorithm: Exchange, averages: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The averages, each available when the algorithm would have waited for it."""
    if algorithm.finish is Finish.TOGETHER:
        return gated(averages, by=averages)
    if algorithm.finish is Finish.BACKWARD:  # the last variable's first, each next one not before it
        waited: list[tf.Tensor] = []
        for value in reversed(averages):
            waited += gated([value], by=waited[-1:])
        return waited[::-1]
    return list(averages)  # completion and next use: dataflow waits for each where it is used
