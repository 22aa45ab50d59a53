"""The layers of transformers: from images or symbols to tokens (positions, features), and back to one answer."""

from dataclasses import dataclass

from suite.models.layers import Layer, Shape, Weight

DEVIATION = 0.02  # of all initial weights in GPT-2 and ViT


@dataclass(frozen=True)
class Embedding(Layer):
    """A learned vector for each of `vocabulary` symbols."""

    name: str
    vocabulary: int
    features: int

    def output(self, shape: Shape) -> Shape:
        return (*shape, self.features)

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        return (Weight("weight", (self.vocabulary, self.features), DEVIATION),)


@dataclass(frozen=True)
class Tokens(Layer):
    """The positions of an image, row by row, as tokens."""

    def output(self, shape: Shape) -> Shape:
        return (shape[0] * shape[1], shape[2])


@dataclass(frozen=True)
class ClassToken(Layer):
    """One learned token in front of the others."""

    name: str

    def output(self, shape: Shape) -> Shape:
        return (shape[0] + 1, shape[1])

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        return (Weight("weight", (1, shape[1]), DEVIATION),)


@dataclass(frozen=True)
class Positions(Layer):
    """A learned vector added at each position."""

    name: str

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        return (Weight("weight", shape, DEVIATION),)


@dataclass(frozen=True)
class First(Layer):
    """The first token alone."""

    def output(self, shape: Shape) -> Shape:
        return shape[1:]


@dataclass(frozen=True)
class Attention(Layer):
    """Multi-head self-attention with its projections; causal: a position sees itself and what is before it."""

    name: str
    heads: int
    causal: bool = False

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        features = shape[-1]
        if features % self.heads:
            raise ValueError(f"{features} features cannot be split among {self.heads} heads")
        return (
            Weight("qkv.weight", (3 * features, features), DEVIATION),
            Weight("qkv.bias", (3 * features,)),
            Weight("projection.weight", (features, features), DEVIATION),
            Weight("projection.bias", (features,)),
        )

    def flops(self, shape: Shape) -> int:
        positions, features = shape
        return 2 * positions * features * (4 * features) + 2 * (2 * positions * positions * features)
