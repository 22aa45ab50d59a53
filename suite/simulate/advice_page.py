"""Advice in words: for the screen, and as one page that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from suite.simulate.advising import (
    EXACT,
    Advice,
    Cell,
    Map,
    Ranked,
    changes,
    chart,
    inexact_too,
    is_exact,
    title,
    written,
)

# Filled cells, each dark enough for white text.
COLOURS = {
    "synchronous": "#57606a",
    "synchronous, overlapped": "#7d3c1a",
    "stock horovod": "#3b4fa8",
    "layerwise": "#0969da",
    "delayed": "#bc4c00",
    "backup workers": "#1a7f37",
    "local sgd": "#bf3989",
}
UNCLEAR = "#6e7781"
ABOUT = (
    "Simulated: times only, no gradients were computed. Intervals hold what compute times scatter and, where a calibration "
    "was given, what it could not explain. Within 2 % of each other nobody should bet on one: not distinguishable. Same "
    "result: what every worker applies is what synchronous training applies; of all others samples per second say nothing "
    "about accuracy."
)
NO_EVIDENCE = (
    "There is no evidence on convergence for this kind of net here: the ranking is of speed alone. Algorithms that do not "
    "give the same result as synchronous training may need more samples, or never get there."
)


def headline(advice: Advice) -> str:
    best = advice.best_exact
    share = best.rate / float(advice.ceiling.samples_per_second)
    return f"{title(best.algorithm).capitalize()}: {best.rate:.4g} samples/s, {share:.0%} of the ceiling"


def setting(advice: Advice) -> str:
    machines, workload = advice.machines, advice.workload
    straggler = f", stragglers {machines.stragglers}" if machines.straggler is not None else ""
    wire = f", {advice.wire} on the wire" if advice.wire != "none" else ""
    fitted = "" if machines.calibration is None else f"; {machines.calibration.fitted()[0]}"
    hop = f"{machines.latency_us:g} us a hop"
    if machines.calibration is not None:
        hop = f"{hop} more than calibrated" if machines.latency_us else "hops as calibrated"
    return (
        f"{workload.name}: {workload.parameter_bytes / 1e6:.4g} MB of parameters, {workload.step_seconds:.4g} s a step of "
        f"{workload.batch} samples ({workload.source}); {machines.workers} workers on {machines.hosts} hosts, "
        f"{machines.gbit:g} Gbit/s, {hop}{straggler}{wire}{fitted}"
    )


def rows(advice: Advice) -> list[tuple[str, ...]]:
    """Of every algorithm, the fastest first."""
    return [_row(advice, one) for one in advice.ranking]


def _row(advice: Advice, one: Ranked) -> tuple[str, ...]:
    found = one.prediction
    rate = found.samples_per_second
    megabytes = found.memory * advice.workload.parameter_bytes / 1e6
    return (
        title(one.algorithm),
        f"{rate:.4g}",
        f"{rate.low:.4g} - {rate.high:.4g}",
        f"{one.rate / float(advice.ceiling.samples_per_second):.0%}",
        f"{found.exposed_seconds * 1000:.3g} ms",
        f"{found.staleness:.3g}",
        f"{megabytes:.4g} MB",
        "yes" if is_exact(one.algorithm) else "no",
    )


def ties(advice: Advice) -> str:
    """Who cannot be told from the fastest."""
    firsts = dict.fromkeys([advice.best, advice.best_exact])
    return " ".join(_ties(advice, one) for one in firsts)


def _ties(advice: Advice, first: Ranked) -> str:
    exact = is_exact(first.algorithm)
    others = [one for one in advice.ranking if one is not first and (is_exact(one.algorithm) or not exact)]
    alike = [title(one.algorithm) for one in others if advice.alike(first, one)]
    among = " of those with the same result" if exact else ""
    if not alike:
        return f"{title(first.algorithm).capitalize()} is clearly the fastest{among}."
    return f"{title(first.algorithm).capitalize()} is not distinguishable{among} from {', '.join(alike)}."


def code(advice: Advice) -> str:
    wire = f", wire={advice.wire!r}" if advice.wire != "none" else ""
    return f"DistributedOptimizer(optimizer, model, algorithms.{written(advice.best_exact.algorithm)}{wire})"


def change_lines(advice: Advice) -> list[str]:
    return [
        f"{one.what}: at {one.value}, {title(one.winner)} would be {one.gain:.0%} faster than "
        f"{title(advice.best_exact.algorithm)}"
        for one in changes(advice)
    ]


def write(advice: Advice, path: Path, evidence: str) -> None:
    """One HTML page, winners as maps."""
    from jinja2 import Environment

    template = Environment(autoescape=True).from_string(
        Path(__file__).with_name("advice.html.j2").read_text(encoding="utf-8")
    )
    maps = [
        ("Same result as synchronous: rate and stragglers", chart(advice, "rate", "stragglers", lambda workers: EXACT)),
        ("Same result as synchronous: rate and workers", chart(advice, "rate", "workers", lambda workers: EXACT)),
        ("Whatever is learned: rate and stragglers", chart(advice, "rate", "stragglers", inexact_too)),
        ("Whatever is learned: rate and workers", chart(advice, "rate", "workers", inexact_too)),
    ]
    text = template.render(
        name=advice.workload.name,
        workers=advice.machines.workers,
        headline=headline(advice),
        setting=setting(advice),
        evidence=evidence,
        line=code(advice),
        rows=rows(advice),
        ties=ties(advice),
        changes=change_lines(advice),
        charts=[_chart(name, one) for name, one in maps],
        about=ABOUT,
    )
    path.write_text(text, encoding="utf-8")


def _chart(name: str, found: Map) -> dict[str, Any]:
    about = (
        "In each cell the fastest, and what it reaches of the samples per second without any communication; point at a "
        "grey one for names."
    )
    lines = zip(found.rows, found.cells, strict=True)
    return {
        "title": name,
        "about": about,
        "columns": found.columns,
        "rows": [(label, [_cell(cell) for cell in cells]) for label, cells in lines],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    if not cell.clear:
        names = ", ".join(title(one) for one in cell.alike)
        share = f"{len(cell.alike)} alike, {cell.of_ceiling:.0%}"
        return {"name": "not distin­guishable", "share": share, "colour": UNCLEAR, "names": names}
    name = title(cell.winner)
    return {"name": name, "names": name, "share": f"{cell.of_ceiling:.0%}", "colour": COLOURS.get(name, "#57606a")}
