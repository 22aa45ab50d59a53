"""Small multiples of lines with bands."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from suite.report.charts import layout, style
from suite.report.charts.specification import Line, Lines, Panel, Role

HEIGHT = 1.9
FLAT = 1.35  # of a narrow chart, whose panels stand below each other
BEHIND = (Role.IDEAL, Role.CEILING, Role.FLOOR, Role.CONTROL)
FEW = 13  # up to so many places have a marker each
SOME = 5  # markers of a line with more


def figure(chart: Lines) -> Figure:
    looks = _looks(chart)
    width = layout.NARROW if chart.narrow else layout.WIDTH
    columns = layout.legend_columns(list(looks), width, small=chart.narrow)
    wide = min(chart.columns, len(chart.panels))
    each = width / wide
    titles = layout.titles([panel.title for panel in chart.panels], each - 0.3)
    margins = layout.Margins(left=0.62, top=layout.title_room(titles))
    legend_rows = layout.rows(len(looks), columns)
    heights = [FLAT if chart.narrow else HEIGHT] * len(chart.panels)
    drawn, axes = layout.grid(len(chart.panels), chart.columns, heights, margins, legend_rows, width)
    for place, (panel, title, box) in enumerate(zip(chart.panels, titles, axes, strict=True)):
        _panel(box, panel, looks, chart, place)
        layout.title(box, title, margins.left - 0.1, each - margins.left - margins.right)
    if chart.same_y:
        _same_y(chart, axes)
    marked = {line.label for panel in chart.panels for line in panel.lines if _marked(line)}
    handles = [
        Line2D([], [], **look, **(_marker(place, look["color"]) if label in marked else {}))
        for place, (label, look) in enumerate(looks.items())
    ]
    layout.legend(drawn, handles, list(looks), columns, small=chart.narrow)
    return drawn


def _looks(chart: Lines) -> dict[str, dict[str, Any]]:
    """How each label is drawn: the name decides the colour, variants of one name differ in dashes and markers."""
    looks: dict[str, dict[str, Any]] = {}
    variants: dict[str, int] = {}
    every = [line for panel in chart.panels for line in panel.lines]
    for line in sorted(every, key=lambda one: (one.role is Role.ALGORITHM, one.role is not Role.REFERENCE)):
        if line.label in looks:
            continue
        dashes = style.DASHES[line.role]
        if line.role is Role.ALGORITHM:
            number = variants.get(line.name, 0)
            variants[line.name] = number + 1
            dashes = style.VARIANTS[number % len(style.VARIANTS)]
        looks[line.label] = {
            "color": style.of_line(line).light,
            "linestyle": dashes,
            "linewidth": 2.2 if line.role is Role.REFERENCE else 1.3 if line.role in BEHIND else 1.6,
        }
    return looks


def _panel(box: Axes, panel: Panel, looks: dict[str, dict[str, Any]], chart: Lines, place: int) -> None:
    order = list(looks)
    for line in panel.lines:
        look = looks[line.label]
        front = 2.0 if line.role in BEHIND else 3.0
        number = order.index(line.label)
        marks = {**_marker(number, look["color"]), "markevery": _places(number, line)} if _marked(line) else {}
        box.plot(line.x, line.y, **look, **marks, zorder=front)
        if line.low is not None and line.high is not None:
            box.fill_between(line.x, line.low, line.high, color=look["color"], alpha=0.15, linewidth=0, zorder=1)
    box.set_xscale("log" if panel.x_log else "linear")
    box.set_yscale("log" if panel.y_log else "linear")
    box.set_xlabel(panel.x_title)
    if place % min(chart.columns, len(chart.panels)) == 0 or not chart.same_y:
        box.set_ylabel(panel.y_title)
    if panel.x_ticks:
        box.set_xticks([at for at, _ in panel.x_ticks], [text for _, text in panel.x_ticks])
        box.minorticks_off()
    elif not panel.x_log:
        box.xaxis.set_major_locator(MaxNLocator(5))
        box.xaxis.set_major_formatter(FuncFormatter(short))
    if panel.y_from_zero:
        box.set_ylim(0, 1.04 * max((max(line.y) for line in panel.lines if line.y), default=1.0))


def _marked(line: Line) -> bool:
    return line.role not in (Role.IDEAL, Role.FLOOR)


def _marker(number: int, colour: str) -> dict[str, Any]:
    """Of the line with this number: filled, and in the second round open."""
    kinds = len(style.MARKERS)
    face = style.PAPER.light if number // kinds % 2 else colour
    return {"marker": style.MARKERS[number % kinds], "markerfacecolor": face}


def _places(number: int, line: Line) -> tuple[int, int]:
    """Where a line has markers: lines beside each other not at the same places."""
    step = 1 if len(line.x) <= FEW else len(line.x) // SOME
    return (number * step // len(style.MARKERS) % step, step)


def _same_y(chart: Lines, axes: list[Axes]) -> None:
    limits = [box.get_ylim() for box in axes]
    low, high = min(one[0] for one in limits), max(one[1] for one in limits)
    for place, box in enumerate(axes):
        box.set_ylim(low, high)
        if place % min(chart.columns, len(chart.panels)):
            box.tick_params(labelleft=False)


def short(value: float, _: object = None) -> str:
    """12,000 as 12k."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"
