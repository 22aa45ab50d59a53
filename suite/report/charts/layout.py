"""Where panels stand, in inches, without asking what text measures: fast, and the same everywhere."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 9.6
NARROW = 4.4
CHARACTER = 0.068  # of a label at 8 points
LINE = 0.165


@dataclass(frozen=True)
class Margins:
    left: float
    right: float = 0.15
    top: float = 0.42  # of each panel, for its title
    bottom: float = 0.45  # of each panel, for ticks and axis title


def grid(
    count: int, columns: int, heights: Sequence[float], margins: Margins, legend_rows: int, width: float = WIDTH
) -> tuple[Figure, list[Axes]]:
    """`heights`: of the panels' data, in reading order; a row is as high as its highest."""
    columns = min(columns, count)
    rows = [heights[start : start + columns] for start in range(0, count, columns)]
    tall = [max(row) + margins.top + margins.bottom for row in rows]
    legend = 0.05 + LINE * legend_rows if legend_rows else 0.0
    height = sum(tall) + legend
    figure = Figure(figsize=(width, height))
    each = width / columns
    axes = []
    top = height - legend
    for number, row in enumerate(rows):
        for column, high in enumerate(row):
            left = column * each + margins.left
            bottom = top - margins.top - high
            box = (left / width, bottom / height, (each - margins.left - margins.right) / width, high / height)
            axes.append(figure.add_axes(box))
        top -= tall[number]
    return figure, axes


def titles(texts: Sequence[str], room: float) -> list[str]:
    """Broken into three lines at most, at spaces, or at commas where a word alone is too long."""
    found = []
    for text in texts:
        wide = max(16, int(room / (CHARACTER * 1.15)))
        broken = textwrap.wrap(text, wide) if max(map(len, text.split()), default=0) <= wide else [text]
        if len(broken) == 1 and len(text) > wide:
            broken = textwrap.wrap(text.replace(",", ", "), wide)
        found.append("\n".join(broken[:3]))
    return found


def title_room(broken: Sequence[str]) -> float:
    """Inches above a panel."""
    lines = max((text.count("\n") + 1 for text in broken if text), default=0)
    return 0.14 + 0.15 * lines + (0.08 if lines else 0.0)


def title(axes: Axes, text: str, left: float, width: float) -> None:
    """Begins `left` inches to the left of a panel that is so wide."""
    if text:
        axes.set_title(text, x=-left / width, ha="left", loc="left", fontweight="bold", pad=5, linespacing=1.05)


def legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str], columns: int, *, small: bool = False) -> None:
    if handles:
        figure.legend(
            handles,
            labels,
            loc="upper left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=columns,
            fontsize=7 if small else 8,
            handlelength=2.6,
            columnspacing=1.4,
            labelspacing=0.35,
            borderaxespad=0.2,
        )


def legend_columns(labels: Sequence[str], width: float = WIDTH, *, small: bool = False) -> int:
    longest = max((len(label) for label in labels), default=1)
    return max(1, min(len(labels) or 1, int(width / (longest * CHARACTER * (0.85 if small else 1.0) + 0.6))))


def rows(count: int, columns: int) -> int:
    return -(-count // columns)
