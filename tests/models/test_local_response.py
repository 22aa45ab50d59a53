"""Our local response normalisation computes what PyTorch's does, forward and backward."""

import pytest
import torch
from torch import nn

from suite.models.torch_modules import LocalResponse


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(
    ("size", "alpha", "beta", "k"),
    [(5, 1e-4, 0.75, 1.0), (5, 0.7, 0.75, 2.0), (3, 0.5, 0.5, 1.0), (4, 0.5, 0.75, 1.0), (1, 0.3, 1.5, 1.0)],
)
@pytest.mark.parametrize("channels", [1, 2, 7, 32])
def test_values_and_gradients(channels, size, alpha, beta, k, dtype):
    random = torch.Generator().manual_seed(1)
    x = torch.randn(3, channels, 5, 4, generator=random, dtype=dtype) * 2
    weights = torch.randn(x.shape, generator=random, dtype=dtype)
    found = []
    for kind in (LocalResponse, nn.LocalResponseNorm):
        held = x.clone().requires_grad_()
        y = kind(size, alpha, beta, k)(held)
        (y * weights).sum().backward()
        found.append((y.detach(), held.grad))
    digits = 1e-12 if dtype is torch.float64 else 2e-6
    for ours, theirs in zip(*found, strict=True):
        assert (ours - theirs).abs().max() <= digits * theirs.abs().max()
