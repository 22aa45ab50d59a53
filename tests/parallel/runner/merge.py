"""The reports of all ranks about one test, as the reports of one pytest item."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.parallel.runner.job import Outcome


def merge(item: pytest.Item, outcome: Outcome) -> list[pytest.TestReport]:
    by_phase: dict[str, dict[int, pytest.TestReport]] = {"setup": {}, "call": {}, "teardown": {}}
    for rank, ended in sorted(outcome.ended.items()):
        for data in ended.reports:
            report = item.config.hook.pytest_report_from_serializable(config=item.config, data=data)
            by_phase[report.when][rank] = report
    merged = [_phase(item, when, reports, outcome) for when, reports in by_phase.items() if reports]
    if outcome.lost:
        merged = [report for report in merged if report.when != "call"]
        merged.insert(1 if merged and merged[0].when == "setup" else 0, _lost(item, by_phase["call"], outcome))
    return merged


def _phase(item: pytest.Item, when: str, reports: dict[int, pytest.TestReport], outcome: Outcome) -> pytest.TestReport:
    results: dict[str, list[int]] = defaultdict(list)
    for rank, report in reports.items():
        results[report.outcome].append(rank)
    if list(results) == ["passed"] or (len(results) == 1 and "skipped" in results):
        first = reports[min(reports)]
        first.duration = max(report.duration for report in reports.values())
        first.sections = []
        return first
    text = f"{_who(results)}\n" if "failed" in results else f"the ranks disagree: {_who(results)}\n"
    for rank in results["failed"]:
        text += _heading(rank, len(reports)) + reports[rank].longreprtext.rstrip() + "\n"
    sections = [
        (f"output of rank {rank}", outcome.ended[rank].output) for rank in reports if outcome.ended[rank].output
    ]
    return _report(item, when, text, sections, outcome.seconds)


def _lost(item: pytest.Item, reports: dict[int, pytest.TestReport], outcome: Outcome) -> pytest.TestReport:
    total = len(outcome.lost) + len(outcome.ended)
    causes: dict[str, list[int]] = defaultdict(list)
    for rank, lost in sorted(outcome.lost.items()):
        causes[lost.reason].append(rank)
    for rank, report in reports.items():
        causes[report.outcome].append(rank)
    text, sections = f"{_who(causes)}\n", []
    for rank, report in reports.items():
        if report.failed:
            text += _heading(rank, total) + report.longreprtext.rstrip() + "\n"
    for rank, lost in sorted(outcome.lost.items()):
        text += f"{_heading(rank, total)}{lost.reason}\n"
        if lost.stacks:
            text += f"{lost.stacks.rstrip()}\n"
        if lost.output:
            sections.append((f"output of rank {rank}", lost.output))
    sections += [(f"output of rank {rank}", e.output) for rank, e in sorted(outcome.ended.items()) if e.output]
    return _report(item, "call", text, sections, outcome.seconds)


def _who(results: dict[str, list[int]]) -> str:
    return "; ".join(
        f"rank{'s' if len(ranks) > 1 else ''} {', '.join(map(str, ranks))}: {what}"
        for what, ranks in results.items()
        if ranks
    )


def _heading(rank: int, total: int) -> str:
    return f"---- rank {rank} of {total} ".ljust(80, "-") + "\n"


def _report(
    item: pytest.Item, when: str, text: str, sections: list[tuple[str, str]], seconds: float
) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords=dict.fromkeys(item.keywords, 1),
        outcome="failed",
        longrepr=text,
        when=when,  # type: ignore[arg-type]
        sections=sections,
        duration=seconds,
    )
