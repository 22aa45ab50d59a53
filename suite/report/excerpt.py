"""The first three answers of a report inside another Markdown file, between two marks."""

from __future__ import annotations

import os
import re
from pathlib import Path

BEGIN, END = "<!-- answers: farandole report --readme -->", "<!-- /answers -->"
_HEADING = re.compile(r'^### <a id="[\w-]+"></a>(.*)$', re.MULTILINE)
_PLACE = re.compile(r"(?<!\\)\]\((?!#|https?:)")


class ExcerptError(ValueError):
    """The other file has no place for it; one line."""


def renew(readme: Path, report: Path) -> None:
    """Put the answers of the report in folder `report` between the marks of `readme`, in place of what stands there."""
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ExcerptError(f"--readme {readme}: has no lines {BEGIN} and {END} to put the answers between")
    folder = Path(os.path.relpath(report, readme.parent)).as_posix()
    readme.write_text(before + begin + "\n\n" + answers(report, folder) + "\n\n" + end + after, encoding="utf-8")


def answers(report: Path, folder: str) -> str:
    """The pictures of its first page, with links that begin at `folder`."""
    page = (report / "report.md").read_text(encoding="utf-8")
    section = page.split('<a id="answer"></a>', 1)[1].split("\n## ", 1)[0].split("\n", 1)[1].strip()
    return _PLACE.sub(f"]({folder}/", _HEADING.sub(r"**\1**", section))
