"""Lying bars in parts, or dots with intervals, with marks to compare with."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from suite.report.charts import layout, style
from suite.report.charts.lines import short
from suite.report.charts.specification import Bar, BarPanel, Bars, Role

EACH = 0.205
LEAST = 0.35


def figure(chart: Bars) -> Figure:
    labels = [bar.label for panel in chart.panels for bar in panel.bars]
    handles, names = _legend(chart)
    columns = layout.legend_columns(names)
    wide = min(chart.columns, len(chart.panels))
    longest = max(len(label) for label in labels)
    margins = layout.Margins(left=min(0.25 + longest * layout.CHARACTER, layout.WIDTH / wide * 0.55))
    heights = [max(LEAST, EACH * len(panel.bars)) for panel in chart.panels]
    drawn, axes = layout.grid(
        len(chart.panels), chart.columns, heights, margins, layout.rows(len(names), columns) if names else 0
    )
    for panel, box in zip(chart.panels, axes, strict=True):
        _panel(box, panel, chart)
        layout.title(box, panel.title, layout.WIDTH / wide - margins.left)
    if len({panel.title for panel in chart.panels}) > 1:
        right = max(box.get_xlim()[1] for box in axes)
        left = min(box.get_xlim()[0] for box in axes)
        for box in axes:
            box.set_xlim(left, right)
    layout.legend(drawn, handles, names, columns)
    return drawn


def _panel(box: Axes, panel: BarPanel, chart: Bars) -> None:
    for place, bar in enumerate(panel.bars):
        end = _dot(box, place, bar, chart) if chart.dots else _stack(box, place, bar, chart)
        if bar.low is not None and bar.high is not None:
            look = style.INK.light
            box.errorbar(
                end, place, xerr=[[max(0.0, end - bar.low)], [max(0.0, bar.high - end)]], color=look, capsize=2, lw=1
            )
        for mark in bar.marks:
            box.plot([mark.at], [place], **_mark(mark.role), zorder=4)
    if chart.level is not None:
        box.axvline(chart.level, color=style.QUIET.light, linewidth=0.9, zorder=1)
    box.set_ylim(len(panel.bars) - 0.4, -0.6)
    box.set_yticks(range(len(panel.bars)), [bar.label for bar in panel.bars])
    box.tick_params(axis="y", length=0, labelcolor=style.INK.light)
    box.grid(axis="y", visible=False)
    box.xaxis.set_major_locator(MaxNLocator(6))
    box.xaxis.set_major_formatter(FuncFormatter(short))
    box.set_xlabel(chart.x_title)
    if not chart.dots:
        box.set_xlim(left=0)


def _stack(box: Axes, place: int, bar: Bar, chart: Bars) -> float:
    end = 0.0
    for name, part in zip(chart.parts, bar.parts, strict=True):
        if part:
            colour = style.PARTS[name].light
            box.barh(place, part, left=end, height=0.68, color=colour, edgecolor=style.PAPER.light, linewidth=0.4)
            end += part
    return end


def _dot(box: Axes, place: int, bar: Bar, chart: Bars) -> float:
    end = bar.parts[0]
    if end is None:
        return 0.0
    box.plot([end], [place], marker="o", markersize=5, linestyle="", color=style.PARTS[chart.parts[0]].light, zorder=5)
    return end


def _mark(role: Role) -> dict[str, Any]:
    return {
        "marker": "|",
        "markersize": 11,
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
            handles.append(Patch(color=style.PARTS[name].light))
            names.append(name)
    for role in Role:
        if any(mark.role is role for bar in bars for mark in bar.marks):
            handles.append(Line2D([], [], **_mark(role)))
            names.append(role.value)
    return handles, names
