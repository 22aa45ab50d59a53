"""Lying bars in parts, or dots with intervals, with marks to compare with."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from suite.report.charts import layout, style
from suite.report.charts.lines import short
from suite.report.charts.specification import BarPanel, Bars, Mark, Role

# Marks that coincide are both seen.
SIZES = {Role.CEILING: 13, Role.FLOOR: 7}
EACH = 0.205
LEAST = 0.35


def figure(chart: Bars) -> Figure:
    labels = [bar.label for panel in chart.panels for bar in panel.bars]
    handles, names = _legend(chart)
    columns = layout.legend_columns(names)
    wide = min(chart.columns, len(chart.panels))
    each = layout.WIDTH / wide
    longest = max(len(label) for label in labels)
    room = min(0.1 + longest * layout.CHARACTER, each * 0.52)
    titles = layout.titles([panel.title for panel in chart.panels], each - 0.2)
    margins = layout.Margins(left=room + 0.15, top=layout.title_room(titles))
    heights = [max(LEAST, EACH * len(panel.bars)) for panel in chart.panels]
    drawn, axes = layout.grid(
        len(chart.panels), chart.columns, heights, margins, layout.rows(len(names), columns) if names else 0
    )
    for panel, title, box in zip(chart.panels, titles, axes, strict=True):
        _panel(box, panel, chart)
        _finish(box, panel, chart, room)
        layout.title(box, title, margins.left - 0.1, each - margins.left - margins.right)
    # Panels of one figure are there to be compared.
    left, right = min(box.get_xlim()[0] for box in axes), max(box.get_xlim()[1] for box in axes)
    for box in axes:
        box.set_xlim(left, right)
    layout.legend(drawn, handles, names, columns)
    return drawn


def _panel(box: Axes, panel: BarPanel, chart: Bars) -> None:
    rows = range(len(panel.bars))
    ends = _dots(box, panel, chart) if chart.dots else _stacks(box, panel, chart)
    sure = [(row, bar.low, bar.high) for row, bar in zip(rows, panel.bars, strict=True) if bar.low is not None]
    spans = [[(low, row), (high, row)] for row, low, high in sure if high is not None]
    box.add_collection(LineCollection(spans, colors=style.INK.light, linewidths=1.1, zorder=4))
    for role in Role:
        marks = [(mark.at, row) for row, bar in enumerate(panel.bars) for mark in bar.marks if mark.role is role]
        if marks:
            box.plot([x for x, _ in marks], [y for _, y in marks], **_mark(role), zorder=3)
    if chart.level is not None:
        box.axvline(chart.level, color=style.QUIET.light, linewidth=0.9, zorder=1)
    box.set_ylim(len(panel.bars) - 0.4, -0.6)
    box.set_xlim(*_span(panel, chart, ends))


def _finish(box: Axes, panel: BarPanel, chart: Bars, room: float) -> None:
    """Labels and ticks; long labels are set smaller rather than cut."""
    longest = max(len(bar.label) for bar in panel.bars)
    size = min(8.0, max(5.5, 8.0 * room / (longest * layout.CHARACTER)))
    box.set_yticks(range(len(panel.bars)), [bar.label for bar in panel.bars])
    box.tick_params(axis="y", length=0, labelcolor=style.INK.light, labelsize=size)
    box.grid(axis="y", visible=False)
    box.xaxis.set_major_locator(MaxNLocator(6))
    box.xaxis.set_major_formatter(FuncFormatter(short))
    box.set_xlabel(chart.x_title)


def _stacks(box: Axes, panel: BarPanel, chart: Bars) -> list[float]:
    ends = [0.0] * len(panel.bars)
    for number, name in enumerate(chart.parts):
        boxes = []
        for row, bar in enumerate(panel.bars):
            part = bar.parts[number]
            if part:
                left, right = ends[row], ends[row] + part
                boxes.append([(left, row - 0.34), (right, row - 0.34), (right, row + 0.34), (left, row + 0.34)])
                ends[row] = right
        box.add_collection(PolyCollection(boxes, **style.of_part(name), zorder=2))
    return ends


def _dots(box: Axes, panel: BarPanel, chart: Bars) -> list[float]:
    ends = [bar.parts[0] or 0.0 for bar in panel.bars]
    colour = style.PARTS[chart.parts[0]].light
    box.plot(ends, range(len(ends)), marker="o", markersize=5, linestyle="", color=colour, zorder=5)
    return ends


def _span(panel: BarPanel, chart: Bars, ends: list[float]) -> tuple[float, float]:
    every = [*ends, *(mark.at for mark in _marks(panel)), *([] if chart.level is None else [chart.level])]
    every += [value for bar in panel.bars for value in (bar.low, bar.high) if value is not None]
    if not chart.dots:
        return 0.0, 1.05 * max(every) or 1.0
    room = 0.06 * (max(every) - min(every)) or 0.1
    return min(every) - room, max(every) + room


def _marks(panel: BarPanel) -> list[Mark]:
    return [mark for bar in panel.bars for mark in bar.marks]


def _mark(role: Role) -> dict[str, Any]:
    return {
        "marker": "|",
        "markersize": SIZES.get(role, 11),
        "markeredgewidth": 2.2,
        "linestyle": "",
        "color": style.ROLES[role].light,
    }


def _legend(chart: Bars) -> tuple[list[Any], list[str]]:
    bars = [bar for panel in chart.panels for bar in panel.bars]
    handles: list[Any] = []
    names: list[str] = []
    for number, name in enumerate(chart.parts):
        if any(bar.parts[number] for bar in bars) and not chart.dots:
            handles.append(Patch(**style.of_part(name)))
            names.append(name)
    for role in Role:
        if any(mark.role is role for bar in bars for mark in bar.marks):
            handles.append(Line2D([], [], **_mark(role)))
            names.append(role.value)
    return handles, names
