"""Columns at whole numbers, as small multiples: histograms, and what each rank did."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from suite.report.charts import layout, style
from suite.report.charts.lines import short
from suite.report.charts.specification import CountPanel, Counts

HEIGHT = 1.1


def figure(chart: Counts) -> Figure:
    several = len(chart.parts) > 1
    wide = min(chart.columns, len(chart.panels))
    width = layout.WIDTH * max(0.5, wide / chart.columns)  # one panel alone would be all ink
    each = width / wide
    titles = layout.titles([panel.title for panel in chart.panels], each - 0.15)
    margins = layout.Margins(left=0.55, top=layout.title_room(titles))
    heights = [HEIGHT] * len(chart.panels)
    drawn, axes = layout.grid(len(chart.panels), chart.columns, heights, margins, int(several), width)
    for place, (panel, title, box) in enumerate(zip(chart.panels, titles, axes, strict=True)):
        _panel(box, panel, chart)
        layout.title(box, title, margins.left - 0.1, each - margins.left - margins.right)
        if place % wide == 0:
            box.set_ylabel(chart.y_title)
    if chart.same_x:
        every = [at for panel in chart.panels for at in panel.at]
        for box in axes:
            box.set_xlim(min(every) - 0.6, max(every) + 0.6)
    if several:
        handles = [Patch(**style.of_part(name)) for name in chart.parts]
        layout.legend(drawn, handles, list(chart.parts), len(chart.parts))
    return drawn


def _panel(box: Axes, panel: CountPanel, chart: Counts) -> None:
    bottom = [0.0] * len(panel.at)
    for name, heights in zip(chart.parts, panel.parts, strict=True):
        box.bar(panel.at, heights, bottom=bottom, width=0.75, **style.of_part(name))
        bottom = [below + height for below, height in zip(bottom, heights, strict=True)]
    box.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    box.yaxis.set_major_locator(MaxNLocator(3))
    box.yaxis.set_major_formatter(FuncFormatter(short))
    box.grid(axis="x", visible=False)
    box.set_xlabel(chart.x_title)
    box.set_ylim(bottom=0)
