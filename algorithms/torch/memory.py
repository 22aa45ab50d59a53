"""Tensors as they lie in memory, which is what travels."""

from __future__ import annotations

from collections.abc import Iterable

import torch


def flat(tensor: torch.Tensor) -> torch.Tensor | None:
    """All elements in the order in which they lie, as a view; None where they have gaps or overlap."""
    tensor = tensor.detach()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    if tensor.is_contiguous():
        return tensor.view(-1)
    if not torch.ops.aten.is_non_overlapping_and_dense(tensor):
        return None
    return torch.as_strided(tensor, (tensor.numel(),), (1,), tensor.storage_offset())


def like(parameter: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """The gradient, laid out as its parameter is, which is how every rank lays it out; mostly the same tensor."""
    if gradient.stride() == parameter.stride() and (gradient.is_contiguous() or flat(gradient) is not None):
        return gradient
    return torch.empty_like(parameter, dtype=gradient.dtype).copy_(gradient.detach())


def size_in_bytes(tensors: Iterable[torch.Tensor | None]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors if tensor is not None)
