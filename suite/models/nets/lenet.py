"""Nets small enough for tests and for the digits: Caffe's LeNet and a two-layer convolutional net."""

from suite.models.layers import Conv, Flatten, Linear, Pool, Relu
from suite.models.net import Net
from suite.models.structure import Chain
from suite.models.width import scaled


def lenet(image: int = 28, width: float = 1.0, classes: int = 10, channels: int = 1) -> Net:
    """431,080 parameters at 28 pixels (LeCun et al. 1998 as Caffe has it); images under 16 pixels get padded windows."""
    padding = 2 if image < 16 else 0
    layers = (
        *(Conv("conv1", scaled(20, width), 5, padding=padding), Pool("max", 2, 2)),
        *(Conv("conv2", scaled(50, width), 5, padding=padding), Pool("max", 2, 2)),
        *(Flatten(), Linear("fc1", scaled(500, width)), Relu()),
        Linear("fc2", classes, deviation=0.01),
    )
    return Net("lenet", (image, image, channels), classes, Chain("lenet", layers))


def tiny_cnn(image: int = 8, width: float = 1.0, classes: int = 10, channels: int = 1) -> Net:
    """A few thousand parameters: enough for the digits, small enough for any test."""
    layers = (
        *(Conv("conv1", scaled(8, width), 3, padding=1), Relu()),
        *(Conv("conv2", scaled(16, width), 3, padding=1), Relu(), Pool("max", 2, 2)),
        *(Flatten(), Linear("fc", classes, deviation=0.01)),
    )
    return Net("tiny-cnn", (image, image, channels), classes, Chain("tiny-cnn", layers))
