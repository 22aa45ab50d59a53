"""PixelCNN (van den Oord et al. 2016): the probability of every pixel's every colour, given those before it.

The paper on synchronous SGD names the net without its sizes. These are the ones usually given for CIFAR-10 (7x7 first,
15 residual blocks of 128 inner features, two layers of 1024, 256 values); they are ours as far as that paper goes.
"""

from suite.models.layers import Relu
from suite.models.layers_pixels import MaskedConv, PixelAnswers
from suite.models.net import Net
from suite.models.structure import Chain, Part, Residual
from suite.models.width import scaled


def pixelcnn(
    image: int = 32, width: float = 1.0, classes: int = 256, channels: int = 3, blocks: int = 15, features: int = 128
) -> Net:
    """`classes` values per colour; answers in the order of rows, columns, colours."""
    inner, late = scaled(features, width, groups=channels), scaled(1024, width, groups=channels)

    def seen(name: str, count: int, kernel: int) -> MaskedConv:
        return MaskedConv(name, count, kernel, "B", channels)

    def block(number: int) -> Residual:
        layers = (
            *(Relu(), seen("reduce", inner, 1)),
            *(Relu(), seen("conv", inner, 3)),
            *(Relu(), seen("expand", 2 * inner, 1)),
        )
        return Residual(f"block{number}", Chain("body", layers))

    layers: tuple[Part, ...] = (
        MaskedConv("first", 2 * inner, 7, "A", channels),
        *(block(number) for number in range(1, blocks + 1)),
        *(Relu(), seen("late1", late, 1), Relu(), seen("late2", late, 1), Relu()),
        MaskedConv("answer", channels * classes, 1, "B", channels, deviation=0.01),
        PixelAnswers(channels),
    )
    return Net("pixelcnn", (image, image, channels), classes, Chain("pixelcnn", layers))
