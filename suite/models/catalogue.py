"""Every net by name."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches

from suite.models.net import Net
from suite.models.nets import alexnet, googlenet, lenet

FAMILIES: dict[str, Callable[..., Net]] = {
    "alexnet": alexnet.one_tower,
    "alexnet-caffe": alexnet.caffe,
    "googlenet": googlenet.googlenet,
    "lenet": lenet.lenet,
    "tiny-cnn": lenet.tiny_cnn,
}
NAMES: tuple[str, ...] = tuple(FAMILIES)


def describe(
    name: str, *, image: int | None = None, width: float = 1.0, classes: int | None = None, **options: object
) -> Net:
    """The net of that name; what is None keeps the size of its paper. `options(name)` tells what else can be set."""
    if name not in FAMILIES:
        raise ValueError(f"unknown model {name!r}{_nearest(name, NAMES)}; there are {', '.join(NAMES)}")
    allowed = options_of(name)
    for key in options:
        if key not in allowed:
            raise ValueError(f"model {name} has no option {key!r}{_nearest(key, allowed)}; it has {', '.join(allowed)}")
    sizes = {"image": image, "classes": classes}
    for key, value in sizes.items():
        if value is not None and value < 1:
            raise ValueError(f"{key} {value} of model {name} is not at least 1")
    return FAMILIES[name](width=width, **{key: value for key, value in sizes.items() if value is not None}, **options)


def options_of(name: str) -> tuple[str, ...]:
    """Names of what can be set for this net, besides width."""
    return tuple(key for key in inspect.signature(FAMILIES[name]).parameters if key != "width")


def _nearest(word: str, known: tuple[str, ...]) -> str:
    match = get_close_matches(word, known, n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""
