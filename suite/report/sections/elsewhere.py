"""Machines that nobody has here: which share of their speed each algorithm is predicted to use, up to many workers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from suite.record.sealed import Expectation
from suite.record.specification import Algorithm
from suite.report import words
from suite.report.charts.specification import Line, Lines, Panel, Role
from suite.report.content import Column, Entry, Figure, Prose, Section, Table
from suite.report.formats import percent

LEAST_WORKERS = 3  # counts of workers that make a curve
LEGEND = (
    "Share: what all workers together compute and use in a second, over what they would if nothing travelled and nobody "
    "were slow. Nothing here was measured: the times follow from rates and latencies as they are stated, the layers of a "
    "profile and the algorithm's own life. Real networks are slower; who has such a cluster can run the same experiment."
)
ROLES = {"synchronous": Role.REFERENCE, "stock_horovod": Role.CONTROL}
COMPARED = ("synchronous", "stock_horovod", "layerwise", "delayed")
Place = tuple[str, str | None, str]  # model, straggler, network
Curves = Mapping[Place, Sequence[Expectation]]


def section(places: Curves) -> Section:
    figures = tuple(_figure(model, places) for model in dict.fromkeys(model for model, *_ in places))
    return Section("elsewhere", "Clusters that are not here", (*figures, _table(places), Prose(LEGEND)))


def share(one: Expectation) -> float:
    assert one.alone is not None and one.seconds is not None
    return one.alone / one.seconds


def curves(expectations: Iterable[Expectation]) -> Curves:
    """Those that are predicted for many numbers of workers; the others make no curve."""
    found: dict[Place, list[Expectation]] = {}
    for one in expectations:
        if one.alone is not None and one.seconds is not None:
            found.setdefault((one.model, one.straggler, one.network), []).append(one)
    return {place: those for place, those in found.items() if len({one.workers for one in those}) >= LEAST_WORKERS}


def said(places: Curves) -> str:
    """Where layer-wise and stock Horovod, which fuses what is ready, are furthest apart with most workers."""
    found = []
    for (model, straggler, network), those in places.items():
        most = max(one.workers for one in those)
        last = {one.algorithm: share(one) for one in those if one.workers == most and straggler is None}
        if {"layerwise", "stock_horovod"} <= set(last):
            where = f"{words.net(model, model)} on {network} with {most:,} workers"
            found.append((where, last["layerwise"], last["stock_horovod"]))
    if not found:
        return ""
    where, layers, fused = max(found, key=lambda one: abs(one[1] - one[2]))
    return (
        f"Predicted, not measured: layer-wise and stock Horovod are furthest apart for {where}, {percent(layers)} and "
        f"{percent(fused)} of the machines' speed."
    )


def _figure(model: str, places: Curves) -> Figure:
    own = {place: those for place, those in places.items() if place[0] == model}
    stragglers = list(dict.fromkeys(straggler for _, straggler, _ in own))
    networks = list(dict.fromkeys(network for *_, network in own))
    panels = [
        _panel(network, straggler, those)
        for network in networks
        for straggler in stragglers
        if (those := own.get((model, straggler, network)))
    ]
    most = max(one.workers for those in own.values() for one in those)
    last = [share(one) for those in own.values() for one in those if one.workers == most]
    net = words.net(model, model)
    return Figure(
        f"elsewhere-{re.sub(r'[^a-z0-9]+', '-', model.lower())}",  # names a file
        f"{net}: share of the machines' speed up to {most:,} workers, on every network (simulated).",
        f"Curves over workers, {len(panels)} panels; at {most:,} workers from {percent(min(last))} to "
        f"{percent(max(last))}.",
        Lines(tuple(panels), columns=len(stragglers)),
    )


def _panel(network: str, straggler: str | None, those: Sequence[Expectation]) -> Panel:
    title = f"{network}, {words.straggler(straggler or 'none')}"
    at = sorted({one.workers for one in those})
    ticks = tuple((float(count), f"{count:,}") for count in at)
    return Panel(title, tuple(_lines(those)), "workers", "share", x_log=True, x_ticks=ticks, y_from_zero=True)


def _lines(those: Sequence[Expectation]) -> Iterator[Line]:
    several = len({_framework(one) for one in those}) > 1
    found: dict[str, list[Expectation]] = {}
    for one in sorted(those, key=lambda one: one.workers):
        found.setdefault(f"{_called(one)}, {_framework(one)}" if several else _called(one), []).append(one)
    for label, curve in sorted(found.items()):
        x, y = tuple(float(one.workers) for one in curve), tuple(map(share, curve))
        yield Line(label, x, y, role=ROLES.get(curve[0].algorithm, Role.ALGORITHM), name=curve[0].algorithm)


def _table(places: Curves) -> Table:
    """At the largest number of workers, without stragglers."""
    rows = []
    for (model, straggler, network), those in places.items():
        if straggler is not None:
            continue
        most = max(one.workers for one in those)
        last = [one for one in those if one.workers == most]
        best = max(last, key=share)
        cells = [_percent([one for one in last if one.algorithm == name]) for name in COMPARED]
        net = words.net(model, model)
        behind = _behind(those)
        rows.append(
            (
                Entry(net, model),
                Entry(network, network),
                *cells,
                behind,
                Entry(_called(best), best.algorithm),
                _percent([best]),
            )
        )
    most = max(one.workers for those in places.values() for one in those)
    columns = (
        Column("model", "net"),
        Column("network", "network"),
        *(Column(name, words.NAMES.get(name, name), True) for name in COMPARED),
        Column("behind", "layer-wise behind", True, "from so many workers on, behind synchronous training"),
        Column("best", "most"),
        Column("best_share", "its share", True),
    )
    title = f"Share of the machines' speed at {most:,} workers, none of them slow (simulated)."
    return Table("elsewhere", title, columns, tuple(rows), folded=len(rows) > 8)


def _behind(those: Sequence[Expectation]) -> Entry:
    """From how many workers on a message for every layer costs more than it hides."""
    shares = {name: {one.workers: share(one) for one in those if one.algorithm == name} for name in COMPARED}
    late = [at for at, own in shares["layerwise"].items() if own < shares["synchronous"].get(at, 0.0)]
    return Entry(f"{min(late):,}", min(late)) if late else Entry("–", None)


def _percent(those: Sequence[Expectation]) -> Entry:
    if not those:
        return Entry("–", None)
    value = max(map(share, those))
    return Entry(percent(value), value)


def _called(one: Expectation) -> str:
    form = one.label.rpartition(", as ")[2] if ", as " in one.label else ""
    return words.called(Algorithm(name=one.algorithm, options=one.options)) + (words.travelling(form) if form else "")


def _framework(one: Expectation) -> str:
    """With which its label begins."""
    return one.label.partition(" ")[0]
