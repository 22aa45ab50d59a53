"""How layers are put together: in a row, side by side, around a shortcut, and beside the trunk."""

from collections.abc import Iterator
from dataclasses import dataclass

from suite.models.layers import Layer, Shape


@dataclass(frozen=True)
class Chain:
    """Layers one after another. An empty chain passes its input on."""

    name: str
    layers: tuple["Part", ...] = ()


@dataclass(frozen=True)
class Branches:
    """Chains that read the same image; their outputs are concatenated along the channels, in this order."""

    name: str
    branches: tuple[Chain, ...]


@dataclass(frozen=True)
class Residual:
    """body(x) + shortcut(x)."""

    name: str
    body: Chain
    shortcut: Chain = Chain("shortcut")


@dataclass(frozen=True)
class Auxiliary:
    """A second classifier that reads the trunk at this place; its loss counts `weight` times."""

    name: str
    head: Chain
    weight: float


Part = Layer | Chain | Branches | Residual | Auxiliary


@dataclass(frozen=True)
class Placed:
    """A layer at its place in a net: where it hangs and which shapes go in and out."""

    path: str
    layer: Layer
    input: Shape
    output: Shape


def child_name(part: Part, index: int) -> str:
    """The name of a part among its siblings; a layer without weights is called after what it does."""
    name: str = getattr(part, "name", "")
    return name or f"{type(part).__name__.lower()}{index}"


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def walk(part: Part, shape: Shape, path: str) -> tuple[list[Placed], Shape]:
    """The layers in the order in which they run, and the shape that leaves the part."""
    match part:
        case Chain():
            placed: list[Placed] = []
            for index, inner in enumerate(part.layers):
                found, shape = walk(inner, shape, join(path, child_name(inner, index)))
                placed += found
            return placed, shape
        case Branches():
            pairs = [walk(branch, shape, join(path, branch.name)) for branch in part.branches]
            sides = {output[:-1] for _, output in pairs}
            if len(sides) != 1:
                raise ValueError(f"{path}: branches of different sides {sorted(sides)} cannot be concatenated")
            return [one for found, _ in pairs for one in found], (*sides.pop(), sum(out[-1] for _, out in pairs))
        case Residual():
            body, output = walk(part.body, shape, join(path, part.body.name))
            shortcut, same = walk(part.shortcut, shape, join(path, part.shortcut.name))
            if output != same:
                raise ValueError(f"{path}: {output} and its shortcut's {same} cannot be added")
            return body + shortcut, output
        case Auxiliary():
            return walk(part.head, shape, path)[0], shape
        case _:
            try:
                output = part.output(shape)
                part.weights(shape)
            except ValueError as error:
                raise ValueError(f"layer {path}, reached by {shape}: {error}") from None
            return [Placed(path, part, shape, output)], output


def auxiliaries(part: Chain) -> Iterator[Auxiliary]:
    return (one for one in part.layers if isinstance(one, Auxiliary))
