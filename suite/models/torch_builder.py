"""A described net as a torch.nn.Module: inputs (batch, channels, height, width), parameters named as described."""

from collections import OrderedDict
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from suite.models import torch_modules as own
from suite.models.layers import (
    BatchNorm,
    Conv,
    Dropout,
    Flatten,
    Gelu,
    GlobalAverage,
    Layer,
    LayerNorm,
    Linear,
    LocalResponse,
    Pool,
    Relu,
    Shape,
    pair,
)
from suite.models.layers_pixels import MaskedConv, PixelAnswers
from suite.models.layers_tokens import Attention, ClassToken, Embedding, First, Positions, Tokens
from suite.models.net import Net
from suite.models.structure import Auxiliary, Branches, Chain, Part, Residual, child_name, walk


class Beside(nn.Sequential):
    """Marks an auxiliary head among the trunk's modules."""


class Trunk(nn.Module):
    """The whole net. With auxiliary heads the answer is a tuple: the net's own output first, then theirs."""

    def __init__(self, parts: dict[str, nn.Module]) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        beside = []
        for part in self.children():
            if isinstance(part, Beside):
                beside.append(part(x))
            else:
                x = part(x)
        return (x, *beside) if beside else x


def build(net: Net, seed: int) -> nn.Module:
    """The net with the initial values of this seed. `train()` and `eval()` mean what they mean everywhere."""
    model = Trunk(_children(net.body, net.input_shape))
    initial = net.initial(seed)
    named = dict(model.named_parameters())
    if list(named) != list(initial):
        raise ValueError(f"built parameters {sorted(named.keys() ^ initial.keys())} differ from the described ones")
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(torch.from_numpy(initial[name]))
    return model


def _children(chain: Chain, shape: Shape) -> dict[str, nn.Module]:
    modules = {}
    for index, part in enumerate(chain.layers):
        modules[child_name(part, index)] = _module(part, shape)
        shape = walk(part, shape, "")[1]
    return modules


def _chain(chain: Chain, shape: Shape) -> nn.Module:
    return nn.Sequential(OrderedDict(_children(chain, shape)))


def _module(part: Part, shape: Shape) -> nn.Module:
    match part:
        case Chain():
            return _chain(part, shape)
        case Branches():
            return own.Concatenated({branch.name: _chain(branch, shape) for branch in part.branches})
        case Residual():
            return own.Added(_chain(part.body, shape), _chain(part.shortcut, shape))
        case Auxiliary():
            return Beside(OrderedDict(_children(part.head, shape)))
        case Layer():
            return _layer(part, shape)
    assert_never(part)


def _unset(kind: type[nn.Module], *sizes: object, **options: object) -> nn.Module:
    """A module whose values are not drawn, because `build` writes all of them."""
    module: nn.Module = skip_init(kind, *sizes, **options)  # type: ignore[no-untyped-call]
    return module


def _layer(layer: Layer, shape: Shape) -> nn.Module:
    match layer:
        case Conv():
            size = {"kernel_size": pair(layer.kernel), "stride": layer.stride, "padding": pair(layer.padding)}
            return _unset(nn.Conv2d, shape[2], layer.channels, **size, groups=layer.groups, bias=layer.bias)
        case Linear():
            return _unset(nn.Linear, shape[-1], layer.features, bias=layer.bias)
        case Pool(kind="max"):
            return nn.MaxPool2d(layer.kernel, layer.stride, layer.padding, ceil_mode=layer.ceil)
        case Pool():
            return nn.AvgPool2d(layer.kernel, layer.stride, layer.padding, layer.ceil, count_include_pad=False)
        case GlobalAverage():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case Flatten():
            return nn.Flatten()
        case Relu():
            return nn.ReLU()
        case Gelu():
            return nn.GELU()
        case Dropout():
            return nn.Dropout(layer.rate) if layer.rate else nn.Identity()
        case LocalResponse():
            return own.LocalResponse(layer.size, layer.alpha, layer.beta, layer.k)
        case BatchNorm():
            return nn.BatchNorm2d(shape[-1], layer.epsilon, layer.momentum)
        case LayerNorm():
            return nn.LayerNorm(shape[-1], layer.epsilon)
        case Embedding():
            return _unset(nn.Embedding, layer.vocabulary, layer.features)
        case Tokens():
            return own.Tokens()
        case ClassToken():
            return own.ClassToken(shape[-1])
        case Positions():
            return own.Positions(*shape)
        case First():
            return own.First()
        case Attention():
            return own.Attention(shape[-1], layer.heads, layer.causal)
        case MaskedConv():
            return own.MaskedConv2d(shape[-1], layer.channels, layer.kernel, layer.mask(shape))
        case PixelAnswers():
            return own.PixelAnswers(shape[-1] // layer.colours)
    raise ValueError(f"no PyTorch module for {layer}")
