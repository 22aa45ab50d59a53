"""AlexNet (Krizhevsky et al. 2012): the one-tower variant of 2014, and the two-group net with LRN that Caffe ships."""

from suite.models.layers import Conv, Dropout, Flatten, Linear, LocalResponse, Pool, Relu
from suite.models.net import Net
from suite.models.structure import Chain, Part
from suite.models.width import scaled

SMALL = 64  # below this side, the stride-4 stem of 11x11 windows would leave nothing to the later layers


def one_tower(
    image: int = 224, width: float = 1.0, classes: int = 1000, channels: int = 3, dropout: float = 0.5
) -> Net:
    """61,100,840 parameters at 224 pixels, 1000 classes."""

    def wide(count: int) -> int:
        return scaled(count, width)

    stem = Conv("conv1", wide(64), 5, padding=2) if image < SMALL else Conv("conv1", wide(64), 11, stride=4, padding=2)
    pool = Pool("max", 3, 2)
    layers: tuple[Part, ...] = (
        *(stem, Relu(), pool),
        *(Conv("conv2", wide(192), 5, padding=2), Relu(), pool),
        *(Conv("conv3", wide(384), 3, padding=1), Relu()),
        *(Conv("conv4", wide(256), 3, padding=1), Relu()),
        *(Conv("conv5", wide(256), 3, padding=1), Relu(), pool),
        *(Flatten(), Dropout(dropout), Linear("fc6", wide(4096)), Relu()),
        *(Dropout(dropout), Linear("fc7", wide(4096)), Relu()),
        Linear("fc8", classes, deviation=0.01),
    )
    return Net("alexnet", (image, image, channels), classes, Chain("alexnet", layers))


def caffe(image: int = 227, width: float = 1.0, classes: int = 1000, channels: int = 3, dropout: float = 0.5) -> Net:
    """60,965,224 parameters at 227 pixels, 1000 classes; initial values of bvlc_alexnet/train_val.prototxt."""

    def conv(name: str, count: int, kernel: int, padding: int = 0, groups: int = 1, bias: float = 0.0) -> Conv:
        return Conv(
            name,
            scaled(count, width, groups=2),
            kernel,
            stride=4 if name == "conv1" and image >= SMALL else 1,
            padding=padding,
            groups=groups,
            deviation=0.01,
            bias_value=bias,
        )

    def full(name: str) -> Linear:
        return Linear(name, scaled(4096, width), deviation=0.005, bias_value=0.1)

    pool = Pool("max", 3, 2, ceil=True)
    stem = conv("conv1", 96, 5, padding=2) if image < SMALL else conv("conv1", 96, 11)
    layers: tuple[Part, ...] = (
        *(stem, Relu(), LocalResponse(), pool),
        *(conv("conv2", 256, 5, padding=2, groups=2, bias=0.1), Relu(), LocalResponse(), pool),
        *(conv("conv3", 384, 3, padding=1), Relu()),
        *(conv("conv4", 384, 3, padding=1, groups=2, bias=0.1), Relu()),
        *(conv("conv5", 256, 3, padding=1, groups=2, bias=0.1), Relu(), pool),
        *(Flatten(), full("fc6"), Relu(), Dropout(dropout)),
        *(full("fc7"), Relu(), Dropout(dropout)),
        Linear("fc8", classes, deviation=0.01),
    )
    return Net("alexnet-caffe", (image, image, channels), classes, Chain("alexnet", layers))
