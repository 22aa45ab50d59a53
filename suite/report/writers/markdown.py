"""Content as Markdown (GitHub's dialect)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from suite.report.content import Block, Entry, Figure, Level, Notice, Points, Prose, Report, Section, Table

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~$])")
_SIGN = {Level.HOLE: "HOLE", Level.WARNING: "Warning", Level.NOTE: "Note"}


def write(report: Report) -> str:
    return "\n".join(_lines(report)).rstrip() + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {escape(report.title)}"
    yield ""
    yield escape(report.summary)
    yield ""
    for section in report.sections:
        yield from _section(section, 2)


def _section(section: Section, depth: int) -> Iterator[str]:
    kind = f" ({section.kind})" if section.kind else ""
    yield f"{'#' * depth} {escape(section.title)}{kind}"
    yield ""
    for block in section.blocks:
        yield from _block(block)
        yield ""
    for inner in section.sections:
        yield from _section(inner, min(depth + 1, 6))


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Prose):
        yield escape(block.text)
    elif isinstance(block, Points):
        for lead, text in block.items:
            yield f"- **{escape(lead)}** {escape(text)}" if lead else f"- {escape(text)}"
    elif isinstance(block, Notice):
        yield f"> **{_SIGN[block.level]}:** {escape(block.text)}"
    elif isinstance(block, Figure):
        yield f"![{escape(block.alt)}](figures/{block.name}.svg)"
        yield ""
        yield f"*{escape(block.caption)}*"
    else:
        yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    yield f"*{escape(table.caption)}*"
    yield ""
    if not table.rows:
        yield "(no rows)"
        return
    yield "| " + " | ".join(escape(column.title) for column in table.columns) + " |"
    yield "|" + "|".join("---:" if column.numeric else "---" for column in table.columns) + "|"
    for row in table.rows:
        yield "| " + " | ".join(_entry(entry) for entry in row) + " |"


def _entry(entry: Entry) -> str:
    text = " ".join(entry.text.split())
    if entry.code and text:
        return "`" + text.replace("|", "\\|").replace("`", "'") + "`"
    return escape(text)


def escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
