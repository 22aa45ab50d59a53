"""The two nets of Zhang, Choromanska and LeCun (2015), kernel sizes derived from the sides the paper gives."""

from suite.models.layers import Conv, Dropout, Flatten, Linear, Pool, Relu
from suite.models.net import Net
from suite.models.structure import Chain, Part
from suite.models.width import scaled

SMALL = 64  # the 11-layer net's stem needs 101 pixels; under 64 it gets stride 1 and padding


def cifarnet(image: int = 28, width: float = 1.0, classes: int = 10, channels: int = 3, dropout: float = 0.5) -> Net:
    """7 layers, 351,946 parameters for 28 x 28 crops of CIFAR-10; biases start at 0."""

    def wide(count: int) -> int:
        return scaled(count, width)

    layers = (
        *(Conv("conv1", wide(64), 5), Relu(), Pool("max", 2, 2)),
        *(Conv("conv2", wide(128), 5), Relu(), Pool("max", 2, 2)),
        *(Conv("conv3", wide(64), 3), Relu(), Flatten()),
        *(Linear("fc1", wide(256)), Relu(), Dropout(dropout)),
        Linear("fc2", classes, deviation=0.01),
    )
    return Net("cifarnet", (image, image, channels), classes, Chain("cifarnet", layers))


def imagenet(image: int = 221, width: float = 1.0, classes: int = 1000, channels: int = 3, dropout: float = 0.5) -> Net:
    """11 layers, 61,128,808 parameters for 221 x 221 crops of ImageNet; biases start at 0.1."""
    small = image < SMALL

    def conv(name: str, count: int, kernel: int, stride: int = 1) -> tuple[Part, Part]:
        padding = kernel // 2 if small and kernel > 2 else 0
        return Conv(name, scaled(count, width), kernel, stride, padding, bias_value=0.1), Relu()

    def full(name: str) -> tuple[Part, ...]:
        return Linear(name, scaled(4096, width), bias_value=0.1), Relu(), Dropout(dropout)

    stem = (*conv("conv1", 96, 5), Pool("max", 2, 2)) if small else (*conv("conv1", 96, 7, 2), Pool("max", 3, 3))
    layers: tuple[Part, ...] = (
        *stem,
        *(*conv("conv2", 256, 5), Pool("max", 2, 2)),
        *(*conv("conv3", 384, 3), *conv("conv4", 384, 2), *conv("conv5", 256, 2), Pool("max", 2, 2)),
        *(Flatten(), *full("fc1"), *full("fc2")),
        Linear("fc3", classes, deviation=0.01, bias_value=0.1),
    )
    return Net("elastic-imagenet", (image, image, channels), classes, Chain("elastic-imagenet", layers))
