"""Charts: readable on both papers, the same bytes each time, and nothing drawn that is not a number."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from suite.report.charts import bars, lines, style
from suite.report.charts.drawing import css, draw
from suite.report.charts.specification import (
    Bar,
    BarPanel,
    Bars,
    Chart,
    CountPanel,
    Counts,
    Line,
    Lines,
    Mark,
    Panel,
    Role,
)

LINES = Lines(
    (
        Panel(
            "a panel",
            (
                Line("one", (1.0, 2.0, 3.0), (1.0, 4.0, 9.0), (0.5, 3.0, 8.0), (1.5, 5.0, 10.0), name="layerwise"),
                Line("synchronous", (1.0, 2.0), (1.0, 2.0), role=Role.REFERENCE),
            ),
            "workers",
            "samples/s",
        ),
        Panel("empty", (), "workers", "samples/s"),
    )
)
BARS = Bars(
    (
        BarPanel(
            "bars & <tags>",
            (
                Bar("one", (3.0, None, 1.0), (Mark(Role.CEILING, 2.5),), 3.5, 4.5),
                Bar("a very long label of an algorithm(with=many, options=true, and=more)", (1.0, 2.0, None)),
            ),
        ),
    ),
    ("compute", "vote", "update"),
    "ms",
)
DOTS = Bars((BarPanel("dots", (Bar("one", (1.5,)),)),), ("speed",), "×", dots=True, level=1.0)
COUNTS = Counts((CountPanel("counts", (0, 1, 2), ((0.5, 0.3, 0.2),)),), ("recorded",), "rounds old", "share")
CHARTS = {"lines": LINES, "bars": BARS, "dots": DOTS, "counts": COUNTS}


@pytest.mark.parametrize("name", CHARTS)
def test_the_same_chart_gives_the_same_bytes(name: str) -> None:
    first, second = (draw(name, CHARTS[name], "said in words") for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", CHARTS)
def test_a_file_is_an_image_with_words_and_without_a_date(name: str) -> None:
    drawn = draw(name, CHARTS[name], 'said in "words" & <signs>')
    root = ElementTree.fromstring(drawn.svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'said in "words" & <signs>'
    assert not re.search(rb"20\d\d-\d\d-\d\d", drawn.svg)


@pytest.mark.parametrize("name", CHARTS)
def test_inside_a_page_all_colours_are_the_pages_own(name: str) -> None:
    inline = draw(name, CHARTS[name], "words").inline
    ElementTree.fromstring(inline)
    assert not re.search(r"#[0-9a-f]{6}", inline)
    names = set(re.findall(r"var\(--f-([\w-]+)\)", inline)) - {"font"}
    assert names and names <= set(style.variables())
    assert 'aria-hidden="true"' in inline  # the figure around it has the words


@pytest.mark.parametrize("name", CHARTS)
def test_no_last_digit_that_processors_may_disagree_on(name: str) -> None:
    drawn = draw("a-name", CHARTS[name], "words")
    for text, begins in ((drawn.svg.decode(), "d-"), (drawn.inline, "a-name-")):
        places = " ".join(re.findall(r' (?:d|x|y|transform)="([^"]*)"', text))
        assert re.search(r"\d\.\d", places)
        assert not re.search(r"\d\.\d{3}", places)
        assert "nan" not in places
        referred = set(re.findall(r"""(?:href="|url\()#([\w-]+)""", text))
        assert {one for one in referred if not one.startswith(begins)} == set()
        assert all(f'id="{one}"' in text for one in referred)


@pytest.mark.parametrize("name", CHARTS)
def test_for_a_dark_page_nothing_stays_light(name: str) -> None:
    light, style_sheet, rest = re.split(r"(@media.*)</style>", draw(name, CHARTS[name], "words").svg.decode())
    looks = dict(re.findall(r"\.(l\d+)\{([^}]*)\}", light))
    darkened = dict(re.findall(r"\.(l\d+)\{([^}]*)\}", style_sheet))
    assert set(re.findall(r' class="([^"]*)"', rest)) <= set(looks)
    assert not re.findall(r"#[0-9a-f]{6}\b| style=", rest)  # no colour is set otherwise
    named = {colour.light: colour.dark for colour in style.variables().values()}
    colour = re.compile(r"#[0-9a-f]{6}\b")
    assert set(darkened) == {one for one, look in looks.items() if colour.search(look)}
    for one, look in darkened.items():
        assert look == colour.sub(lambda found: named[found[0]], looks[one])


def test_text_stays_text() -> None:
    assert "samples/s" in draw("lines", LINES, "x").inline
    assert "bars &amp; &lt;tags&gt;" in draw("bars", BARS, "x").inline


def test_a_chart_is_no_wider_than_a_page_whatever_its_labels() -> None:
    for chart in CHARTS.values():
        root = ElementTree.fromstring(draw("x", chart, "x").svg)
        width = float((root.get("width") or "0").removesuffix("pt"))
        assert 4.7 * 72 < width <= 9.6 * 72 + 0.1


def test_every_colour_has_one_name_and_both_papers() -> None:
    variables = style.variables()
    lights = [colour.light for colour in variables.values()]
    assert len(set(lights)) == len(lights)
    assert css().count("--f-paper") == 2


@pytest.mark.parametrize("name", [name for name in style.variables() if name not in ("paper", "grid")])
@pytest.mark.parametrize("paper", ["light", "dark"])
def test_contrast(name: str, paper: str) -> None:
    colour = getattr(style.variables()[name], paper)
    least = 4.5 if name in ("ink", "quiet") else 2.5 if name in ("r-ideal", "p-6") else 3.0
    assert contrast(colour, getattr(style.PAPER, paper)) >= least


def test_no_two_lines_differ_by_colour_alone() -> None:
    xs = tuple(float(x) for x in range(40))
    names = [*style.ALGORITHMS][:12]
    panel = Panel("many", tuple(Line(name, xs, xs, name=name) for name in names), "steps", "loss")
    drawn = lines.figure(Lines((panel,))).axes[0].get_lines()
    assert len(drawn) == 12
    looks = {(one.get_marker(), one.get_markerfacecolor() == style.PAPER.light, one.get_linestyle()) for one in drawn}
    assert len(looks) == 12
    assert all(one.get_marker() not in ("", "None") for one in drawn)


@pytest.mark.parametrize("parts", [(*style.PARTS,)[:7], (*style.PARTS,)[7:9]])
def test_no_two_parts_of_a_bar_differ_by_colour_alone(parts: tuple[str, ...]) -> None:
    drawn = bars.figure(Bars((BarPanel("bars", (Bar("one", (1.0,) * len(parts)),)),), parts, "ms"))
    hatches = [stack.get_hatch() for stack in drawn.axes[0].collections if stack.get_facecolor().size]
    assert len(hatches) == len(set(hatches)) == len(parts)


def test_a_line_of_unequal_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="2 values for 3 places"):
        Line("x", (1.0, 2.0, 3.0), (1.0, 2.0))


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_unknown_charts_are_refused() -> None:
    class Pie:
        pass

    pie: Chart = Pie()  # type: ignore[assignment]
    with pytest.raises(TypeError, match="Pie"):
        draw("pie", pie, "x")
