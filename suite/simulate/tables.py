"""A net as a table: a CSV file with a line for every tensor."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from pathlib import Path

from algorithms.mechanisms.suggest import nearest
from suite.simulate.workload import Layer, Workload

NEEDED = ("elements", "backward_us")
KNOWN = (*NEEDED, "forward_us", "layer", "shape", "name")


def read(path: Path, *, step_seconds: float | None = None, batch: int = 1) -> Workload:
    """Columns elements and backward_us, in forward order; forward_us, where it is known; layer, where tensors of one layer
    each hold the whole layer's time; shape (as 64x3x11x11), for formats that look at it. Others are left alone.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
            columns = rows[0].keys() if rows else ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
    if not rows:
        raise ValueError(f"{path}: no tensors: a line of titles, then a line for every tensor")
    for column in NEEDED:
        if column not in columns:
            near = nearest(column, columns)
            hint = f" (is it {near!r}?)" if near else ""
            raise ValueError(f"{path}: column {column!r} is missing{hint}; there are {', '.join(map(repr, columns))}")
    layers = _layers(path, rows)
    return Workload.of(tensors=layers, step_seconds=step_seconds, batch=batch, name=path.stem, source=f"table {path}")


def doubled(workload: Workload) -> str | None:
    """A warning where each layer's time seems to stand on both of its tensors."""
    times = [layer.backward_seconds for layer in workload.layers]
    pairs = list(zip(times[::2], times[1::2], strict=False))
    alike = sum(first == second > 0 for first, second in pairs)
    if len(pairs) < 2 or alike < 0.9 * len(pairs):
        return None
    return (
        "tensors stand in pairs with the same backward_us: if it is their layer's time, say so with a column 'layer', "
        "else it counts twice"
    )


def _layers(path: Path, rows: Iterable[dict[str, str]]) -> list[Layer]:
    layers: list[Layer] = []
    last: str | None = None
    for line, row in enumerate(rows, start=2):
        elements = _number(path, line, "elements", row["elements"])
        if elements != int(elements) or elements < 1:
            raise ValueError(f"{path}:{line}: elements is {row['elements']}, must be a whole number of at least 1")
        forward = _number(path, line, "forward_us", row["forward_us"]) * 1e-6 if row.get("forward_us") else 0.0
        backward = _number(path, line, "backward_us", row["backward_us"]) * 1e-6
        shape = _shape(path, line, row.get("shape"), int(elements))
        layer = row.get("layer") or None
        if layer is not None and layer == last:
            same = layers[-1]
            layers[-1] = Layer(
                forward_seconds=max(same.forward_seconds, forward),
                backward_seconds=max(same.backward_seconds, backward),
                shapes=(*same.shapes, shape),
            )
        else:
            layers.append(Layer(forward_seconds=forward, backward_seconds=backward, shapes=(shape,)))
        last = layer
    return layers


def _shape(path: Path, line: int, text: str | None, elements: int) -> tuple[int, ...]:
    if not text:
        return (elements,)
    parts = text.split("x")
    if not all(part.isdecimal() for part in parts) or math.prod(map(int, parts)) != elements:
        raise ValueError(f"{path}:{line}: shape is {text}, must be like 64x3x11x11 and hold {elements} elements")
    return tuple(map(int, parts))


def _number(path: Path, line: int, column: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        raise ValueError(f"{path}:{line}: {column} is {text or 'missing'}, must be a number") from None
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{path}:{line}: {column} is {text}, must be a number of at least 0")
    return value
