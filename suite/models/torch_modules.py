"""The few modules that PyTorch lacks, or has in a slow form."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional


class Concatenated(nn.Module):
    """Modules that read the same input, side by side."""

    def __init__(self, branches: dict[str, nn.Module]) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], dim=1)


class Added(nn.Module):
    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.body(x) + self.shortcut(x)
        return added


class MaskedConv2d(nn.Conv2d):
    mask: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, mask: NDArray) -> None:  # type: ignore[type-arg]
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        self.register_buffer("mask", torch.from_numpy(mask), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class PixelAnswers(nn.Module):
    """(batch, colours x values, height, width) to (batch, height x width x colours, values)."""

    def __init__(self, values: int) -> None:
        super().__init__()
        self.values = values

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).reshape(len(x), -1, self.values)


class Tokens(nn.Module):
    """(batch, features, height, width) to (batch, height x width, features)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


class ClassToken(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, features))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.weight.expand(len(x), 1, -1), x], dim=1)


class Positions(nn.Module):
    def __init__(self, positions: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(positions, features))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight


class First(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


class Attention(nn.Module):
    def __init__(self, features: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.qkv = nn.Linear(features, 3 * features)
        self.projection = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        split = self.qkv(x).unflatten(-1, (3, self.heads, -1))  # batch, positions, 3, heads, features of a head
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        answer: Tensor = self.projection(seen.transpose(1, 2).flatten(2))
        return answer


class LocalResponse(nn.Module):
    """`nn.LocalResponseNorm`, which on a CPU takes as long as the convolutions around it: it averages over neighbouring
    channels with a pooling in three dimensions, and raises to a power."""

    def __init__(self, size: int, alpha: float, beta: float, k: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = _Response.apply(x, self.size, self.alpha, self.beta, self.k)  # type: ignore[no-untyped-call]
        return answer


class _Response(torch.autograd.Function):
    """y = x f(s), s = k + a Σ x² over a window, f(s) = s^-β, a = α/size;  dx = f dy - 2βa x Σ (dy x f / s) over windows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        before, after = size // 2, (size - 1) // 2
        scale = _window(x * x, before, after).mul_(alpha / size).add_(k)
        if beta == 0.75:
            root = scale.rsqrt()
            factor = root.sqrt().mul_(root)
        else:
            factor = scale.pow(-beta)
        ctx.save_for_backward(x, scale, factor)
        ctx.window, ctx.slope = (after, before), 2 * beta * alpha / size
        return x * factor

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, factor = ctx.saved_tensors
        direct = gradient * factor
        around = _window((direct * x).div_(scale), *ctx.window)
        return direct.addcmul_(around, x, value=-ctx.slope), None, None, None, None


def _window(x: Tensor, before: int, after: int) -> Tensor:
    """Each channel with so many before and after it, added up."""
    total = x.clone()
    for distance in range(1, min(before, x.shape[1] - 1) + 1):
        total[:, distance:] += x[:, :-distance]
    for distance in range(1, min(after, x.shape[1] - 1) + 1):
        total[:, :-distance] += x[:, distance:]
    return total
