"""GoogLeNet (Szegedy et al. 2014), with Caffe's pooling and LRN, with or without its two auxiliary classifiers."""

from suite.models.layers import Conv, Dropout, Flatten, GlobalAverage, Linear, LocalResponse, Pool, Relu
from suite.models.net import Net
from suite.models.structure import Auxiliary, Branches, Chain, Part
from suite.models.width import scaled

# The paper's Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
AUXILIARY_WEIGHT = 0.3
SMALL = 64


def googlenet(
    image: int = 224,
    width: float = 1.0,
    classes: int = 1000,
    channels: int = 3,
    dropout: float = 0.4,
    auxiliary: bool = False,
) -> Net:
    """6,998,552 parameters at 1000 classes, 13,378,280 with the auxiliary heads (at 224 pixels)."""

    def conv(name: str, count: int, kernel: int, stride: int = 1) -> tuple[Part, Part]:
        return Conv(name, scaled(count, width), kernel, stride, padding=kernel // 2), Relu()

    def inception(name: str) -> Branches:
        one, reduce3, three, reduce5, five, projection = INCEPTIONS[name]
        branches = (
            Chain("one", conv("conv", one, 1)),
            Chain("three", (*conv("reduce", reduce3, 1), *conv("conv", three, 3))),
            Chain("five", (*conv("reduce", reduce5, 1), *conv("conv", five, 5))),
            Chain("pool", (Pool("max", 3, 1, padding=1), *conv("projection", projection, 1))),
        )
        return Branches(f"inception{name}", branches)

    def head(name: str) -> tuple[Part, ...]:
        if not auxiliary:
            return ()
        layers = (
            *(Pool("average", 5, 3), *conv("conv", 128, 1), Flatten()),
            *(Linear("hidden", scaled(1024, width)), Relu(), Dropout(0.7 if dropout else 0.0)),
            Linear("classifier", classes, deviation=0.01),
        )
        return (Auxiliary(name, Chain("head", layers), AUXILIARY_WEIGHT),)

    pool = Pool("max", 3, 2, ceil=True)
    stem = conv("conv1", 64, 3) if image < SMALL else (*conv("conv1", 64, 7, 2), pool)
    layers: tuple[Part, ...] = (
        *(*stem, LocalResponse()),
        *(*conv("reduce2", 64, 1), *conv("conv2", 192, 3), LocalResponse(), pool),
        *(inception("3a"), inception("3b"), pool),
        *(inception("4a"), *head("auxiliary1"), inception("4b"), inception("4c")),
        *(inception("4d"), *head("auxiliary2"), inception("4e"), pool),
        *(inception("5a"), inception("5b"), GlobalAverage(), Dropout(dropout)),
        Linear("classifier", classes, deviation=0.01),
    )
    return Net("googlenet", (image, image, channels), classes, Chain("googlenet", layers))
