"""Charts as SVG. The same chart gives the same bytes: no dates, no random identifiers, no measured layout.

Processors differ in the last digits of what they compute, so coordinates are rounded and identifiers counted.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from suite.report.charts import bars, counts, lines, maps, style
from suite.report.charts.specification import Bars, Chart, Counts, Lines, Map

SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text: small, selectable, read aloud
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": 9,
    "text.color": style.INK.light,
    "axes.labelcolor": style.QUIET.light,
    "axes.labelsize": 8.5,
    "axes.titlesize": 9,
    "axes.titley": 1.0,  # no search for a free place, which costs more than the drawing
    "axes.edgecolor": style.QUIET.light,
    "axes.linewidth": 0.8,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": style.GRID.light,
    "grid.linewidth": 0.8,
    "xtick.color": style.QUIET.light,
    "ytick.color": style.QUIET.light,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.visible": False,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "hatch.linewidth": 0.5,
    "path.simplify": True,
}


@dataclass(frozen=True)
class Drawing:
    svg: bytes  # stands alone, on white; on a dark page, dark
    inline: str  # for the page: no white behind it, colours that follow the page's

    def shown(self, address: str) -> str:
        """For a page beside the file, which keeps the place for it until it is read."""
        found = _EXTENT.search(self.svg)
        assert found is not None
        width, height = (round(float(points) * 96 / 72) for points in found.groups())
        return f'<img src="{address}" width="{width}" height="{height}" alt="">'


def draw(name: str, chart: Chart, alt: str) -> Drawing:
    with matplotlib.rc_context(SETTINGS | {"svg.hashsalt": name}):
        figure = _drawn(chart)
        svg = _saved(figure)
    text = _said_once(_rounded(svg.decode()))
    alone = re.sub(r"\n\s+", "\n", _NUMBERED.sub("", _counted(text, "d")))
    described = alone.replace("<svg ", f'<svg role="img" aria-label="{_attribute(alt)}" ', 1)
    return Drawing(_looks(described).encode(), _inline(_counted(text, name)))


def _drawn(chart: Chart) -> Figure:
    if isinstance(chart, Lines):
        return lines.figure(chart)
    if isinstance(chart, Bars):
        return bars.figure(chart)
    if isinstance(chart, Counts):
        return counts.figure(chart)
    if isinstance(chart, Map):
        return maps.figure(chart)
    raise TypeError(f"no such chart: {type(chart).__name__}")


def _saved(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.set_dpi(72)
    save: Any = FigureCanvasSVG(figure).print_svg  # untyped
    save(out, metadata={"Date": None, "Creator": None})
    return out.getvalue()


_PLACES = re.compile(r' (?:d|x|y|width|height|transform|viewBox)="[^"]*"')
_LONG = re.compile(r"-?\d+\.\d{3,}")
_REFERRED = re.compile(r' id="([a-z][0-9a-f]{10})"')
_NUMBERED = re.compile(r' id="[A-Za-z][\w.]*_\d+"')  # the same in every drawing; what is referred to has a hash instead
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_LOOK = re.compile(r' style="([^"]*)"')
_MARKS = re.compile(r"<g( clip-path=\"[^\"]*\")?>\n((?:\s*<use [^>]*/>\n)+)\s*</g>")
_FILL = re.compile(r' fill="(#[0-9a-f]{6})"')
_NOT_TURNED = re.compile(r' transform="rotate\(-?0 [^)]*\)"')
_EXTENT = re.compile(rb'<svg [^>]*width="([\d.]+)pt" height="([\d.]+)pt"')
_PROLOGUE = re.compile(r"^.*?(?=<svg )", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_BACKGROUND = re.compile(r'<g id="patch_1">.*?</g>', re.DOTALL)
_FONT = re.compile(r"font: ([\d.]+px) 'DejaVu Sans'[^;\"]*")


def _rounded(svg: str) -> str:
    """Places to a hundredth of a point; what is turned by nothing is not turned."""

    def number(found: re.Match[str]) -> str:
        text = f"{float(found[0]):.2f}".rstrip("0").rstrip(".")
        return "0" if text == "-0" else text

    return _PLACES.sub(lambda found: _LONG.sub(number, found[0]), _NOT_TURNED.sub("", svg))


def _said_once(svg: str) -> str:
    """The look of marks that are alike, said by the group that they are in; what a hatch is drawn on, as a look."""

    def group(found: re.Match[str]) -> str:
        looks = _LOOK.findall(found[2])
        if len(set(looks)) != 1 or len(looks) != found[2].count("<use "):
            return found[0]
        return f'<g{found[1] or ""} style="{looks[0]}">\n{_LOOK.sub("", found[2])}</g>'

    return _MARKS.sub(group, _FILL.sub(r' style="fill: \1"', svg))


def _counted(svg: str, name: str) -> str:
    """Identifiers that are hashes of coordinates become numbers behind a name, which drawings of one page do not share."""
    numbers = {old: f"{name}-{number}" for number, old in enumerate(_REFERRED.findall(svg), start=1)}
    return re.sub(r"(?<=[#\"])[a-z][0-9a-f]{10}\b", lambda found: numbers.get(found[0], found[0]), svg)


def _looks(svg: str) -> str:
    """Each look of elements becomes a class, said once; with rules for browsers that show dark pages."""
    darks = {colour.light: colour.dark for colour in style.variables().values()}
    names = {look: f"l{number}" for number, look in enumerate(dict.fromkeys(_LOOK.findall(svg)))}
    rules = "".join(f".{name}{{{look}}}" for look, name in names.items())
    dark = "".join(
        f".{name}{{{_COLOUR.sub(lambda found: darks.get(found[0], found[0]), look)}}}"
        for look, name in names.items()
        if any(colour in darks for colour in _COLOUR.findall(look))
    )
    sheet = f"{rules}@media screen and (prefers-color-scheme: dark){{{dark}}}</style>"
    return _LOOK.sub(lambda found: f' class="{names[found[1]]}"', svg).replace("</style>", sheet, 1)


def _inline(svg: str) -> str:
    """Without what only a file needs, and with the page's font and colours."""
    text = _METADATA.sub("", _PROLOGUE.sub("", svg))
    text = _BACKGROUND.sub("", text, count=1)
    text = _NUMBERED.sub("", text)
    text = _FONT.sub(r"font: \1 var(--f-font)", text)
    names = {colour.light: name for name, colour in style.variables().items()}
    text = _COLOUR.sub(lambda found: f"var(--f-{names[found[0]]})" if found[0] in names else found[0], text)
    return re.sub(r"\n\s*", "\n", text).replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1).strip()


def css() -> str:
    """The variables that drawings on the page use, for light and dark paper."""

    def block(pick: Callable[[style.Colour], str]) -> str:
        return " ".join(f"--f-{name}: {pick(colour)};" for name, colour in style.variables().items())

    light, dark = block(lambda colour: colour.light), block(lambda colour: colour.dark)
    return (
        f":root {{ --f-font: 'DejaVu Sans', Verdana, sans-serif; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    )


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace("\n", " ")
