"""VGG-16 (Simonyan and Zisserman 2014, configuration D)."""

from suite.models.layers import Conv, Dropout, Flatten, Linear, Pool, Relu
from suite.models.net import Net
from suite.models.structure import Chain, Part
from suite.models.width import scaled

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions


def vgg16(image: int = 224, width: float = 1.0, classes: int = 1000, channels: int = 3, dropout: float = 0.5) -> Net:
    """138,357,544 parameters at 224 pixels, 1000 classes."""
    layers: list[Part] = []
    for stage, (count, convolutions) in enumerate(STAGES, start=1):
        for number in range(1, convolutions + 1):
            layers += [Conv(f"conv{stage}_{number}", scaled(count, width), 3, padding=1), Relu()]
        layers.append(Pool("max", 2, 2))
    layers.append(Flatten())
    for name in ("fc6", "fc7"):
        layers += [Linear(name, scaled(4096, width)), Relu(), Dropout(dropout)]
    layers.append(Linear("fc8", classes, deviation=0.01))
    return Net("vgg-16", (image, image, channels), classes, Chain("vgg-16", tuple(layers)))
