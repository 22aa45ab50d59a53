"""A page as one HTML file: styles and script are inside, and so may its pictures be."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import jinja2

from suite.report.charts.drawing import css
from suite.report.content import Entry, Figure, Level, Notice, Page, Points, Prose, Table, address
from suite.report.formats import machine

TEMPLATES = Path(__file__).parents[1] / "templates"


def write(page: Page, drawings: Mapping[str, str]) -> str:
    """`drawings`: what is to be put into the page for a figure, by its name: SVG, or an image beside the page."""
    return _template().render(
        page=page,
        drawing=lambda name: drawings[name],
        address=lambda link: address(link, page, ".html"),
    )


@functools.cache
def _template() -> jinja2.Template:
    """Compiled once for all pages."""
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
        chart_css=css(),
        machine=machine,
        headings=headings,
        common=common,
        zip=zip,
        sign={Level.HOLE: "Hole", Level.WARNING: "Warning", Level.NOTE: "Note"},
    )
    kinds = {"Prose": Prose, "Points": Points, "Notice": Notice, "Table": Table, "Figure": Figure}
    environment.tests.update({name.lower(): _is(kind) for name, kind in kinds.items()})
    return environment.get_template("page.html.j2")


def headings(tables: Iterable[Table]) -> str:
    """On a narrow page, where rows are cards, each cell but the first is led by its column's title."""
    rules = [
        f'#table-{table.name} td:nth-child({place})::before{{content:"{_quoted(column.title)}: "}}'
        for table in tables
        for place, column in enumerate((one for one in table.columns if not one.detail), start=1)
        if place > 1
    ]
    return f"@media (max-width: 40rem){{{''.join(rules)}}}" if rules else ""


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("<", "\\3c ")


def common(table: Table) -> dict[str, tuple[str, Entry]]:
    """Details that all rows share, by their column's key: title and entry, said once."""
    if len(table.rows) < 2:
        return {}
    first = table.rows[0]
    return {
        column.key: (column.title, first[place])
        for place, column in enumerate(table.columns)
        if column.detail and first[place].text and all(row[place].text == first[place].text for row in table.rows)
    }


def _is(kind: type) -> Callable[[object], bool]:
    return lambda block: isinstance(block, kind)
