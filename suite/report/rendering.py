"""From a folder of records to the files of a report."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.report import evidence as reading
from suite.report.build import report
from suite.report.charts.drawing import Drawing
from suite.report.content import Figure, Page
from suite.report.evidence import Evidence
from suite.report.gallery import drawings
from suite.report.sections.wording import ended_early, plural
from suite.report.writers import comma, latex, markdown, page

PAGE = "report.html"
MARKER = ".farandole-report"  # says that a folder may be replaced


class ReportError(ValueError):
    """One line for the user: what was given cannot be reported on or written to."""


@dataclass(frozen=True)
class Rendered:
    """What was written."""

    page: Path
    files: tuple[Path, ...]
    records: int
    ended_early: str  # how many of them failed or diverged, in words
    holes: int  # files that could not be read

    @property
    def message(self) -> str:
        if not self.records:
            return f"{self.page}: says that there are no records yet"
        doubt = [self.ended_early] * bool(self.ended_early)
        doubt += [f"{plural(self.holes, 'file')} could not be read"] * bool(self.holes)
        return f"{self.page}: {plural(self.records, 'run')}" + (f" ({', '.join(doubt)})" if doubt else "")


def render(
    records: Path,
    out: Path,
    *,
    experiment: str | None = None,
    draw: Callable[[Sequence[Figure]], dict[str, Drawing]] = drawings,
) -> Rendered:
    """Render the report of a folder of records into a folder of its own, which is replaced as a whole."""
    try:
        evidence = reading.read(records, experiment)
    except reading.EvidenceError as error:
        raise ReportError(str(error)) from error
    files = produce(evidence, draw)
    _write(out, files)
    written = tuple(out / name for name in files)
    return Rendered(out / PAGE, written, len(evidence.records), ended_early(evidence.records), len(evidence.holes))


def produce(evidence: Evidence, draw: Callable[[Sequence[Figure]], dict[str, Drawing]] = drawings) -> dict[str, bytes]:
    """Every file of the report by its name; a pure function."""
    content = report(evidence)
    drawn = draw(content.figures)
    files = {f"{one.name}.html": page.write(one, _pictures(one, drawn)).encode() for one in content.pages}
    files |= {f"{one.name}.md": markdown.write(one).encode() for one in content.pages}
    for name, one in drawn.items():
        files[f"figures/{name}.svg"] = one.svg
    for table in content.tables:
        files[f"tables/{table.name}.csv"] = comma.write(table).encode()
        files[f"tables/{table.name}.tex"] = latex.write(table).encode()
    return dict(sorted(files.items()))


def _pictures(one: Page, drawn: Mapping[str, Drawing]) -> dict[str, str]:
    """The landing page holds its pictures, so that it can go by mail; the many pages behind it show the report's files."""
    if f"{one.name}.html" == PAGE:
        return {figure.name: drawn[figure.name].inline for figure in one.figures}
    up = "../" * one.name.count("/")
    return {figure.name: drawn[figure.name].shown(f"{up}figures/{figure.name}.svg") for figure in one.figures}


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    if out.exists() and not out.is_dir():
        raise ReportError(f"--out {out}: is a file; name a folder")
    if out.exists() and any(out.iterdir()) and not (out / MARKER).exists():
        raise ReportError(f"--out {out}: holds other files; name a new folder or one that holds a report")
    if out.exists():
        shutil.rmtree(out)
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (out / MARKER).write_text("replaced as a whole by the next report\n")
