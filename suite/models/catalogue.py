"""Every net by name."""

import inspect
from collections.abc import Callable

from algorithms.mechanisms.suggest import did_you_mean
from suite.models.net import Net
from suite.models.nets import alexnet, elastic, googlenet, inception, lenet, pixelcnn, resnet, transformer, vgg

FAMILIES: dict[str, Callable[..., Net]] = {
    "alexnet": alexnet.one_tower,
    "alexnet-caffe": alexnet.caffe,
    "googlenet": googlenet.googlenet,
    "cifarnet": elastic.cifarnet,
    "elastic-imagenet": elastic.imagenet,
    "inception-v3": inception.inception_v3,
    "pixelcnn": pixelcnn.pixelcnn,
    "resnet-50": resnet.resnet50,
    "vgg-16": vgg.vgg16,
    "gpt-small": transformer.gpt_small,
    "vit": transformer.vit,
    "lenet": lenet.lenet,
    "tiny-cnn": lenet.tiny_cnn,
}
NAMES: tuple[str, ...] = tuple(FAMILIES)


def describe(
    name: str, *, image: int | None = None, width: float = 1.0, classes: int | None = None, **options: object
) -> Net:
    """The net of that name; what is None keeps the size of its paper. `options_of(name)` tells what else can be set."""
    if name not in FAMILIES:
        raise ValueError(f"unknown model {name!r}{did_you_mean(name, NAMES, ' ({})')}; there are {', '.join(NAMES)}")
    sizes = {key: value for key, value in (("image", image), ("classes", classes)) if value is not None}
    allowed = options_of(name)
    for key, value in {**sizes, **options}.items():
        if key not in allowed:
            raise ValueError(
                f"model {name} has no option {key!r}{did_you_mean(key, allowed, ' ({})')}; it has {', '.join(allowed)}"
            )
        _check(name, key, value, inspect.signature(FAMILIES[name]).parameters[key].default)
    return FAMILIES[name](width=width, **sizes, **options)


def options_of(name: str) -> tuple[str, ...]:
    """Names of what can be set for this net, besides width."""
    return tuple(key for key in inspect.signature(FAMILIES[name]).parameters if key != "width")


def _check(name: str, key: str, value: object, default: object) -> None:
    """An option is of its default's kind, and a count is at least 1."""
    match default:
        case bool():
            kind, fits = "true or false", isinstance(value, bool)
        case int():
            kind, fits = "a whole number of at least 1", type(value) is int and value >= 1
        case _:
            kind, fits = "a number", type(value) in (int, float)
    if not fits:
        raise ValueError(f"{key} of model {name} is {value!r}, not {kind}")
