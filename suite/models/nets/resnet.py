"""ResNet-50 (He et al. 2015), with the stride in the 3x3 convolution as most implementations have it."""

from suite.models.layers import GlobalAverage, Linear, Pool, Relu
from suite.models.net import Net
from suite.models.nets.blocks import conv_norm
from suite.models.structure import Chain, Part, Residual
from suite.models.width import scaled

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # inner channels, blocks
EXPANSION = 4
SMALL = 64


def resnet50(image: int = 224, width: float = 1.0, classes: int = 1000, channels: int = 3) -> Net:
    """25,557,032 parameters at 1000 classes. Under 64 pixels: 3x3 stem without stride or pooling."""

    def block(name: str, count: int, stride: int, first: bool) -> tuple[Part, ...]:
        inner = scaled(count, width)
        body = (
            conv_norm("reduce", inner, 1),
            conv_norm("conv", inner, 3, stride, 1),
            conv_norm("expand", EXPANSION * inner, 1, relu=False),
        )
        projection = (conv_norm("projection", EXPANSION * inner, 1, stride, relu=False),) if first else ()
        return Residual(name, Chain("body", body), Chain("shortcut", projection)), Relu()

    stem = (
        (conv_norm("stem", scaled(64, width), 3, 1, 1),)
        if image < SMALL
        else (conv_norm("stem", scaled(64, width), 7, 2, 3), Pool("max", 3, 2, padding=1))
    )
    layers: list[Part] = [*stem]
    for stage, (count, blocks) in enumerate(STAGES, start=2):
        for number in range(1, blocks + 1):
            stride = 2 if stage > 2 and number == 1 else 1
            layers += block(f"block{stage}_{number}", count, stride, first=number == 1)
    layers += [GlobalAverage(), Linear("classifier", classes, deviation=0.01)]
    return Net("resnet-50", (image, image, channels), classes, Chain("resnet-50", tuple(layers)))
