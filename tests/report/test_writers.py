"""HTML, Markdown, CSV and LaTeX of the same content, also where the content is hostile."""

from __future__ import annotations

import csv
import io
import itertools
import posixpath
import re
from html.parser import HTMLParser

import pytest

from suite.report import formats
from suite.report.content import Column, Entry, Item, Level, Link, Notice, Page, Points, Prose, Section, Table
from suite.report.rendering import PAGE, produce
from suite.report.writers import comma, latex, markdown, page
from tests.report import scripted, worlds

HOSTILE = '<script>alert("x")</script> & `a|b` *c* _d_ $e$ \\f 100% #1 {g} ~h ^i'
TABLE = Table(
    "hostile",
    f"caption {HOSTILE}",
    (Column("word", "word"), Column("number", "number", True, HOSTILE), Column("command", "command")),
    (
        (Entry(HOSTILE, HOSTILE), Entry("1.23", 1.2345678), Entry("a | b `c`", "a | b `c`", code=True)),
        (Entry("[first", "[first"), Entry("–", None, "quiet", HOSTILE), Entry("", "", code=True)),
    ),
)
REPORT = Page(
    "pages/hostile",
    HOSTILE,
    HOSTILE,
    (
        Section(
            "one",
            HOSTILE,
            (
                Prose(HOSTILE, (Link(HOSTILE, "report", "one"),)),
                Points((Item(HOSTILE, HOSTILE, Link("", "pages/other")), Item("", "plain"))),
                Notice(Level.HOLE, HOSTILE),
                TABLE,
            ),
            (Section("two", "folded", (Prose("inside"),), folded=True),),
            kind="measured",
        ),
    ),
)


class Parsed(HTMLParser):
    """Checks nesting and gathers what a test asks about."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr", "use", "path", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text += data

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def test_a_page_escapes_what_it_is_given() -> None:
    found = Parsed(page.write(REPORT, {}))
    assert len(found.named("script")) == 1  # its own
    assert found.text.count(HOSTILE) >= 6
    assert [one["href"] for one in found.named("a")] == ["#content", "../report.html#one", "other.html"]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    records = (*worlds.quick(), *worlds.delay(), *scripted.records("scaling", "framework=torch", "model=AlexNet"))
    return produce(worlds.evidence(records))


def pages(files: dict[str, bytes]) -> dict[str, Parsed]:
    return {name: Parsed(content.decode()) for name, content in files.items() if name.endswith(".html")}


def test_pages_are_whole_and_ask_nobody_for_anything(files: dict[str, bytes]) -> None:
    for name, found in pages(files).items():
        text = files[name].decode()
        identifiers = [attributes["id"] for _, attributes in found.tags if attributes.get("id")]
        repeated = {one for one in identifiers if identifiers.count(one) > 1}
        assert not repeated, name
        for tag, attributes in found.tags:
            for attribute in ("src", "xlink:href", "action", "data"):
                target = attributes.get(attribute)
                if tag == "img" and target is not None:  # a figure of the report itself
                    assert posixpath.normpath(posixpath.join(posixpath.dirname(name), target)) in files
                else:
                    assert target is None or target.startswith(("#", "data:")), (tag, target)
        assert not re.search(r"url\((?!#)", text)
        assert "@import" not in text
        (policy,) = [
            one["content"] for one in found.named("meta") if one.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy is not None and policy.startswith("default-src 'none'")


def test_links_lead_somewhere(files: dict[str, bytes]) -> None:
    """From every page, in HTML and in Markdown, to a page of the folder and a place on it."""
    identifiers = {name: {attributes.get("id") for _, attributes in found.tags} for name, found in pages(files).items()}
    checked = 0
    for name, found in pages(files).items():
        for one in found.named("a"):
            page_, _, anchor = (one["href"] or "").partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), page_)) if page_ else name
            assert target in identifiers, (name, one)
            assert not anchor or anchor in identifiers[target], (name, one)
            checked += 1
        labelled = [attributes["aria-labelledby"] for _, attributes in found.tags if "aria-labelledby" in attributes]
        assert labelled and set(labelled) <= identifiers[name]
    assert checked > 30
    for name in [one for one in files if one.endswith(".md")]:
        text = files[name].decode()
        for address in re.findall(r"(?<!\\)\]\(([^)]+)\)", text):
            target = posixpath.normpath(
                posixpath.join(posixpath.dirname(name), address.split("#")[0] or posixpath.basename(name))
            )
            assert target in files, (name, address)
            anchor = address.partition("#")[2]
            assert not anchor or f'id="{anchor}"' in files[target].decode(), (name, address)


def test_the_first_page_is_small(files: dict[str, bytes]) -> None:
    assert len(files[PAGE]) < 1_000_000


def test_headings_never_skip_a_level(files: dict[str, bytes]) -> None:
    for found in pages(files).values():
        levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_the_same_records_give_the_same_bytes(files: dict[str, bytes]) -> None:
    records = (*worlds.quick(), *worlds.delay(), *scripted.records("scaling", "framework=torch", "model=AlexNet"))
    assert produce(worlds.evidence(records[::-1])) == files


def test_every_table_and_figure_is_a_file_too(files: dict[str, bytes]) -> None:
    names = set(files)
    drawn = {
        figure
        for name in names
        if name.endswith(".md")
        for figure in re.findall(r"figures/[\w-]+\.svg", files[name].decode())
    }
    assert len(drawn) > 5
    assert drawn == {name for name in names if name.startswith("figures/")}
    assert {f"tables/quick-emulated-speed.{kind}" for kind in ("csv", "tex")} <= names


def test_csv_keeps_values_and_leaves_what_is_unknown_empty() -> None:
    rows = list(csv.reader(io.StringIO(comma.write(TABLE))))
    assert rows[0] == ["word", "number", "command"]
    assert rows[1] == [HOSTILE, "1.234568", "a | b `c`"]
    assert rows[2] == ["[first", "", ""]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5283497093449183, "1.52835"),
        (1.5283497093449185, "1.52835"),
        (9600.0, "9600"),
        (123456789.0, "123456789"),
        (0.05, "0.05"),
        (7, "7"),
        ("never", "never"),
        (1e-9 / 3, "3.333333e-10"),
    ],
)
def test_programs_get_as_many_digits_as_processors_agree_on(value: float | str, text: str) -> None:
    assert formats.machine(value) == text


def test_latex_escapes_and_leaves_commands_out() -> None:
    text = latex.write(TABLE)
    assert "command" not in text
    assert r"\begin{tabular}{lr}" in text
    assert r"$<$script$>$alert" in text and r"100\% \#1 \{g\} \textasciitilde{}h \textasciicircum{}i" in text
    assert text.count("{") == text.count("}")
    assert "{[first}" in text  # or LaTeX would take it for an argument
    assert not re.search(r"(?<!\\)[%#]", text)


def test_markdown_escapes_and_keeps_tables_whole() -> None:
    text = markdown.write(REPORT)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert "<script>" not in text.replace("\\<script\\>", "")


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a row of 1 entries under 2 columns"):
        Table("t", "c", (Column("a", "a"), Column("b", "b")), ((Entry("x"),),))
