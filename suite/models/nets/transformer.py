"""Transformers: a GPT-style language model (Radford et al. 2019) and a vision transformer (Dosovitskiy et al. 2020)."""

from suite.models.layers import Conv, Dropout, Gelu, LayerNorm, Linear
from suite.models.layers_tokens import DEVIATION, Attention, ClassToken, Embedding, First, Positions, Tokens
from suite.models.net import Net
from suite.models.structure import Chain, Part, Residual
from suite.models.width import scaled

SMALL = 64  # images under this side are cut into patches of 4 pixels instead of 16


def blocks(count: int, features: int, heads: int, dropout: float, causal: bool, epsilon: float) -> tuple[Part, ...]:
    """Normalise, attend, add; normalise, think, add."""
    attend = (LayerNorm("norm", epsilon), Attention("attention", heads, causal), Dropout(dropout))
    think = (
        *(LayerNorm("norm", epsilon), Linear("expand", 4 * features, deviation=DEVIATION), Gelu()),
        *(Linear("reduce", features, deviation=DEVIATION), Dropout(dropout)),
    )
    return tuple(
        Chain(f"block{number}", (Residual("attend", Chain("body", attend)), Residual("think", Chain("body", think))))
        for number in range(1, count + 1)
    )


def gpt_small(
    length: int = 256,
    width: float = 1.0,
    classes: int = 256,
    layers: int = 6,
    heads: int = 6,
    features: int = 384,
    dropout: float = 0.1,
) -> Net:
    """10,942,464 parameters for bytes. The output matrix is its own, not the embedding's as in GPT-2.

    GPT-2 small's sizes are length=1024, classes=50257, layers=12, heads=12, features=768.
    """
    size = scaled(features, width, groups=heads)
    parts: tuple[Part, ...] = (
        *(Embedding("symbols", classes, size), Positions("positions"), Dropout(dropout)),
        *blocks(layers, size, heads, dropout, causal=True, epsilon=1e-5),
        *(LayerNorm("norm"), Linear("answer", classes, bias=False, deviation=DEVIATION)),
    )
    return Net("gpt-small", (length,), classes, Chain("gpt-small", parts), inputs="tokens")


def vit(
    image: int = 224,
    width: float = 1.0,
    classes: int = 1000,
    channels: int = 3,
    layers: int = 12,
    heads: int = 6,
    features: int = 384,
    dropout: float = 0.0,
) -> Net:
    """ViT-S/16: 22,050,664 parameters at 224 pixels, 1000 classes."""
    size, patch = scaled(features, width, groups=heads), 4 if image < SMALL else 16
    parts: tuple[Part, ...] = (
        *(Conv("patches", size, patch, stride=patch, deviation=DEVIATION), Tokens(), ClassToken("class")),
        *(Positions("positions"), Dropout(dropout)),
        *blocks(layers, size, heads, dropout, causal=False, epsilon=1e-6),
        *(LayerNorm("norm", 1e-6), First(), Linear("classifier", classes, deviation=DEVIATION)),
    )
    return Net("vit", (image, image, channels), classes, Chain("vit", parts))
