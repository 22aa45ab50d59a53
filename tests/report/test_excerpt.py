"""The first answers inside another file."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.report import excerpt

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports" / "reference" / "report"


def test_the_readme_shows_what_the_committed_report_says() -> None:
    """The command above the marks in the README renews it."""
    text = (ROOT / "README.md").read_text()
    shown = text.split(excerpt.BEGIN)[1].split(excerpt.END)[0].strip()
    assert shown == excerpt.answers(REPORT, "reports/reference/report")
    assert "reports/reference/report/figures/landing-gain.svg" in shown
    assert "](reports/reference/report/pages/" in shown


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{excerpt.BEGIN}\nold\n{excerpt.END}\nafter\n")
    report = tmp_path / "out"
    report.mkdir()
    (report / "report.md").write_text(
        '# T\n\n## <a id="answer"></a>A\n\n### <a id="gain"></a>How?\n\nSo. [runs](pages/x.md#runs)\n\n## B\n'
    )
    for _ in range(2):
        excerpt.renew(readme, report)
        wanted = f"before\n{excerpt.BEGIN}\n\n**How?**\n\nSo. [runs](out/pages/x.md#runs)\n\n{excerpt.END}\nafter\n"
        assert readme.read_text() == wanted


def test_a_file_without_marks_is_refused(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing\n")
    with pytest.raises(excerpt.ExcerptError, match="has no lines"):
        excerpt.renew(readme, tmp_path)
