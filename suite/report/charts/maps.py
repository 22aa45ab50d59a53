"""A map: rows and columns of places, each in the colour of who is best there."""

from __future__ import annotations

import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from suite.report.charts import layout, style
from suite.report.charts.specification import Cell, Map, MapPanel

ROW = 0.4
LABELS = 1.5  # inches for what the rows are called
WRAP = 28  # characters of a row's label in a line
TINT = 0.22  # little enough for ink on it to be read


def figure(chart: Map) -> Figure:
    width = layout.NARROW if chart.narrow else layout.WIDTH
    margins = layout.Margins(left=LABELS, right=0.05, top=layout.title_room([panel.title for panel in chart.panels]))
    heights = [ROW * len(panel.rows) for panel in chart.panels]
    drawn, axes = layout.grid(len(chart.panels), 1, heights, margins, 0, width)
    for panel, box in zip(chart.panels, axes, strict=True):
        _panel(box, panel)
        layout.title(box, panel.title, margins.left - 0.1, width - margins.left - margins.right)
        box.set_xlabel(chart.x_title)
    return drawn


def _panel(box: Axes, panel: MapPanel) -> None:
    there = {(cell.row, cell.column) for cell in panel.cells}
    for cell in panel.cells:
        _cell(box, cell)
    for row in range(len(panel.rows)):
        for column in range(len(panel.columns)):
            if (row, column) not in there:
                box.text(column, row, "–", ha="center", va="center", color=style.QUIET.light)
    box.set_xlim(-0.5, len(panel.columns) - 0.5)
    box.set_ylim(len(panel.rows) - 0.5, -0.5)
    box.set_xticks(range(len(panel.columns)), [text.replace(" ", "\n", 1) for text in panel.columns])
    box.set_yticks(range(len(panel.rows)), [textwrap.fill(text, WRAP) for text in panel.rows])
    box.tick_params(length=0, labelsize=6.6, labelcolor=style.INK.light)
    box.grid(visible=False)
    box.spines[["left", "bottom"]].set_visible(False)


def _cell(box: Axes, cell: Cell) -> None:
    colour = style.of_name(cell.name).light
    corner = (cell.column - 0.48, cell.row - 0.46)
    box.add_patch(Rectangle(corner, 0.96, 0.92, facecolor=colour, alpha=TINT, linewidth=0))
    line = "solid" if cell.sure else (0, (2, 2))
    box.add_patch(Rectangle(corner, 0.96, 0.92, fill=False, edgecolor=colour, linewidth=1.2, linestyle=line))
    texts: dict[str, Any] = {"ha": "center", "va": "center", "color": style.INK.light}
    box.text(cell.column, cell.row - 0.18, cell.gain, fontsize=8, fontweight="bold" if cell.sure else "normal", **texts)
    small = 6.0 if len(cell.label) <= 10 else 5.2
    box.text(cell.column, cell.row + 0.23, cell.label, fontsize=small, **texts)
