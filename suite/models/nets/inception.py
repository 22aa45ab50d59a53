"""Inception-v3 (Szegedy et al. 2016), with or without its auxiliary classifier."""

from suite.models.layers import Dropout, GlobalAverage, Linear, Pair, Pool
from suite.models.net import Net
from suite.models.nets.blocks import conv_norm
from suite.models.structure import Auxiliary, Branches, Chain, Part
from suite.models.width import scaled

EPSILON = 1e-3  # of its batch normalisations
AUXILIARY_WEIGHT = 0.4
SMALL = 64
WIDE, TALL = (1, 7), (7, 1)


def inception_v3(
    image: int = 299,
    width: float = 1.0,
    classes: int = 1000,
    channels: int = 3,
    dropout: float = 0.5,
    auxiliary: bool = False,
) -> Net:
    """23,834,568 parameters at 1000 classes, 27,161,264 with the auxiliary head. Under 64 pixels: a stem of one 3x3."""

    def conv(name: str, count: int, kernel: Pair, stride: int = 1, padding: Pair = 0) -> Chain:
        return conv_norm(name, scaled(count, width), kernel, stride, padding, epsilon=EPSILON)

    def same(name: str, count: int, kernel: Pair) -> Chain:
        padding = kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)
        return conv(name, count, kernel, padding=padding)

    def averaged(count: int) -> Chain:
        return Chain("pool", (Pool("average", 3, 1, padding=1), conv("projection", count, 1)))

    def mixed(name: str, projection: int) -> Branches:
        one = Chain("one", (conv("conv", 64, 1),))
        five = Chain("five", (conv("reduce", 48, 1), same("conv", 64, 5)))
        twice = Chain("twice", (conv("reduce", 64, 1), same("conv1", 96, 3), same("conv2", 96, 3)))
        return Branches(name, (one, five, twice, averaged(projection)))

    def shrink_first(name: str) -> Branches:
        three = Chain("three", (conv("conv", 384, 3, 2),))
        twice = Chain("twice", (conv("reduce", 64, 1), same("conv1", 96, 3), conv("conv2", 96, 3, 2)))
        return Branches(name, (three, twice, Chain("pool", (Pool("max", 3, 2),))))

    def factored(name: str, inner: int) -> Branches:
        one = Chain("one", (conv("conv", 192, 1),))
        seven = Chain("seven", (conv("reduce", inner, 1), same("wide", inner, WIDE), same("tall", 192, TALL)))
        first = (conv("reduce", inner, 1), same("tall1", inner, TALL), same("wide1", inner, WIDE))
        twice = Chain("twice", (*first, same("tall2", inner, TALL), same("wide2", 192, WIDE)))
        return Branches(name, (one, seven, twice, averaged(192)))

    def shrink_second(name: str) -> Branches:
        three = Chain("three", (conv("reduce", 192, 1), conv("conv", 320, 3, 2)))
        before = (conv("reduce", 192, 1), same("wide", 192, WIDE), same("tall", 192, TALL))
        return Branches(
            name, (three, Chain("seven", (*before, conv("conv", 192, 3, 2))), Chain("pool", (Pool("max", 3, 2),)))
        )

    def split(name: str) -> Branches:
        return Branches(
            name, (Chain("across", (same("conv", 384, (1, 3)),)), Chain("down", (same("conv", 384, (3, 1)),)))
        )

    def expanded(name: str) -> Branches:
        one = Chain("one", (conv("conv", 320, 1),))
        three = Chain("three", (conv("reduce", 384, 1), split("split")))
        twice = Chain("twice", (conv("reduce", 448, 1), same("conv", 384, 3), split("split")))
        return Branches(name, (one, three, twice, averaged(192)))

    head_layers = (Pool("average", 5, 3), conv("conv1", 128, 1), conv("conv2", 768, 5), GlobalAverage())
    classifier = Linear("classifier", classes, deviation=0.01)
    head = Auxiliary("auxiliary", Chain("head", (*head_layers, classifier)), AUXILIARY_WEIGHT)
    stem: tuple[Part, ...] = (
        (same("stem1", 192, 3),)
        if image < SMALL
        else (
            *(conv("stem1", 32, 3, 2), conv("stem2", 32, 3), same("stem3", 64, 3), Pool("max", 3, 2)),
            *(conv("stem4", 80, 1), conv("stem5", 192, 3), Pool("max", 3, 2)),
        )
    )
    layers: tuple[Part, ...] = (
        *stem,
        *(mixed("mixed1", 32), mixed("mixed2", 64), mixed("mixed3", 64), shrink_first("mixed4")),
        *(factored("mixed5", 128), factored("mixed6", 160), factored("mixed7", 160), factored("mixed8", 192)),
        *((head,) if auxiliary else ()),
        *(shrink_second("mixed9"), expanded("mixed10"), expanded("mixed11")),
        *(GlobalAverage(), Dropout(dropout), classifier),
    )
    return Net("inception-v3", (image, image, channels), classes, Chain("inception-v3", layers))
