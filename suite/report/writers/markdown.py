"""Content as Markdown (GitHub's dialect)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from suite.report.content import (
    Block,
    Entry,
    Figure,
    Item,
    Level,
    Link,
    Notice,
    Page,
    Points,
    Prose,
    Section,
    Table,
    address,
)

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~$])")
_SIGN = {Level.HOLE: "HOLE", Level.WARNING: "Warning", Level.NOTE: "Note"}


def write(page: Page) -> str:
    return "\n".join(_lines(page)).rstrip() + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield f"# {escape(page.title)}" + (f" ({page.kind})" if page.kind else "")
    yield ""
    yield escape(page.summary)
    yield ""
    if page.home is not None:
        yield _link(page.home, page)
        yield ""
    for section in page.sections:
        yield from _section(section, 2, page)


def _section(section: Section, depth: int, page: Page) -> Iterator[str]:
    kind = f" ({section.kind})" if section.kind else ""
    if section.folded:
        yield f'<details id="{section.name}"><summary>{html.escape(section.title + kind)}</summary>'
    else:
        yield f'{"#" * depth} <a id="{section.name}"></a>{escape(section.title)}{kind}'
    yield ""
    for block in section.blocks:
        yield from _block(block, page)
        yield ""
    for inner in section.sections:
        yield from _section(inner, min(depth + 1, 6), page)
    if section.folded:
        yield "</details>"
        yield ""


def _block(block: Block, page: Page) -> Iterator[str]:
    if isinstance(block, Prose):
        yield " ".join((escape(block.text), *(_link(link, page) for link in block.links)))
    elif isinstance(block, Points):
        yield from (_item(item, page) for item in block.items)
    elif isinstance(block, Notice):
        yield f"> **{_SIGN[block.level]}:** {escape(block.text)}"
    elif isinstance(block, Figure):
        up = "../" * page.name.count("/")
        yield f"![{escape(block.alt)}]({up}figures/{block.name}.svg)"
        yield ""
        yield f"*{escape(block.caption)}*"
    elif block.folded:
        yield f"<details><summary>{html.escape(block.caption)} ({len(block.rows)})</summary>"
        yield ""
        yield from _table(block, page)
        yield ""
        yield "</details>"
    else:
        yield f"*{escape(block.caption)}*"
        yield ""
        yield from _table(block, page)


def _item(item: Item, page: Page) -> str:
    lead = f"**{escape(item.lead)}**" if item.lead else ""
    if item.link is not None:
        lead = f"[{lead}]({address(item.link, page, '.md')})"
    kind = f"({item.kind})" if item.kind else ""
    return " ".join(["-", *filter(None, (lead, kind, escape(item.text)))])


def _link(link: Link, page: Page) -> str:
    return f"[{escape(link.text)}]({address(link, page, '.md')})"


def _table(table: Table, page: Page) -> Iterator[str]:
    """Without the columns of detail, which the table's CSV file has."""
    if not table.rows:
        yield "(no rows)"
        return
    kept = [place for place, column in enumerate(table.columns) if not column.detail]
    columns = [table.columns[place] for place in kept]
    yield "| " + " | ".join(escape(column.title) for column in columns) + " |"
    yield "|" + "|".join("---:" if column.numeric else "---" for column in columns) + "|"
    for row in table.rows:
        yield "| " + " | ".join(_entry(row[place], page) for place in kept) + " |"


def _entry(entry: Entry, page: Page) -> str:
    text = " ".join(entry.text.split())
    if entry.code and text:
        return "`" + text.replace("|", "\\|").replace("`", "'") + "`"
    if entry.link is not None:
        return f"[{escape(text)}]({address(entry.link, page, '.md')})"
    return escape(text)


def escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
