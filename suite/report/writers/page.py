"""A page as one HTML file: styles and script are inside, and so may its pictures be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import jinja2

from suite.report.charts.drawing import css
from suite.report.content import Figure, Level, Notice, Page, Points, Prose, Table, address
from suite.report.formats import machine

TEMPLATES = Path(__file__).parents[1] / "templates"


def write(page: Page, drawings: Mapping[str, str]) -> str:
    """`drawings`: what is to be put into the page for a figure, by its name: SVG, or an image beside the page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(
        inline=lambda name: (TEMPLATES / name).read_text(encoding="utf-8"),
        drawing=lambda name: drawings[name],
        chart_css=css(),
        machine=machine,
        zip=zip,
        address=lambda link: address(link, page, ".html"),
        sign={Level.HOLE: "Hole", Level.WARNING: "Warning", Level.NOTE: "Note"},
    )
    kinds = {"Prose": Prose, "Points": Points, "Notice": Notice, "Table": Table, "Figure": Figure}
    environment.tests.update({name.lower(): _is(kind) for name, kind in kinds.items()})
    return environment.get_template("page.html.j2").render(page=page)


def _is(kind: type) -> Callable[[object], bool]:
    return lambda block: isinstance(block, kind)
