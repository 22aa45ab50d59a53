"""Predictions that were sealed before their runs: beside what came of them, none left out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import geometric_mean

import pytest

from suite.record.schema import Record
from suite.record.sealed import SUFFIX, Expectation, Sealed
from suite.record.store import Writer
from suite.report import evidence as reading
from suite.report.build import report
from suite.report.charts.specification import Lines
from suite.report.content import Figure, Page, Table
from suite.report.foretold import check, verdict
from suite.report.rendering import produce
from suite.report.sections import elsewhere
from suite.report.timing import useful_seconds
from tests.report import scripted, worlds

RECORDS = scripted.records("scaling", "framework=torch", "model=AlexNet")
BEFORE = min(record.created for record in RECORDS) - timedelta(hours=1)


def expectation(record: Record, factor: float, **changed: object) -> Expectation:
    """So much of what its runs took, in their mean."""
    took = [useful_seconds(one) for one in RECORDS if one.identity == record.identity]
    seconds = geometric_mean([one for one in took if one is not None])
    fields = {
        "identity": record.identity,
        "label": f"{record.specification.algorithm.name} {record.identity}",
        "algorithm": record.specification.algorithm.name,
        "workers": record.specification.workers,
        "seconds": factor * seconds,
        "low": 0.95 * factor * seconds,
        "high": 1.05 * factor * seconds,
        "floor": 0.5 * seconds,
        "line": 0.8 * seconds,
    }
    return Expectation(**(fields | changed))


def sealed(*expectations: Expectation, experiment: str = "scaling") -> Sealed:
    blank = Sealed(
        experiment=experiment,
        created=BEFORE,
        commit=None,
        code="c" * 64,
        calibration="d" * 64,
        fitted=("fitted to 12 runs: network (at most 2 hosts, 400 Mbit/s)",),
        expectations=expectations,
    )
    return blank.model_copy(update={"hash": blank.digest()})


def different() -> list[Record]:
    """A run of each kind that has a timing."""
    found = {record.identity: record for record in RECORDS if useful_seconds(record) is not None}
    return list(found.values())


def page_of(one: Sealed) -> Page:
    found = report(replace(worlds.evidence(RECORDS), sealed=(one,)))
    return next(page for page in found.pages if page.name == "pages/predictions")


def table(page: Page, name: str) -> Table:
    return next(one for one in page.tables if one.name == name)


def test_errors_are_signed_and_nothing_is_left_out() -> None:
    first, second, *_ = different()
    never = expectation(first, 1.0, identity="0" * 16, label="never run")
    silent = expectation(second, 1.0, identity="1" * 16, label="not told", seconds=None, not_predicted="it is real")
    page = page_of(sealed(expectation(first, 1.1), expectation(second, 0.98), never, silent))
    assert page.summary.startswith("2 kinds of runs were predicted before they were run: the median error is 6.0%, the")
    assert "the largest 10.0%, and 50% of the runs" in page.summary
    assert "floor is 50.0%, that of straight lines 20.0% (of 2 kinds)" in page.summary
    rows = {row[0].text: [entry.text for entry in row] for row in table(page, "predictions").rows}
    assert len(rows) == 4
    assert [row[3] for row in rows.values()] == ["+10.0%", "-2.0%", "–", "–"]
    assert [row[-1] for row in rows.values()] == ["–", "–", "not recorded", "it is real"]


def test_the_page_of_an_experiment_says_whether_it_was_predicted() -> None:
    (first, *_) = different()
    found = report(replace(worlds.evidence(RECORDS), sealed=(sealed(expectation(first, 1.1)),)))
    own = next(page for page in found.pages if page.name.startswith("pages/scaling"))
    assert own.sections[0].name == "foretold"
    never = sealed(expectation(first, 1.0, identity="0" * 16))
    without = report(replace(worlds.evidence(RECORDS), sealed=(never,)))
    assert all(page.sections[0].name != "foretold" for page in without.pages if page.sections)


def test_what_was_recorded_before_proves_nothing() -> None:
    (first, *_) = different()
    late = sealed(expectation(first, 1.0)).model_copy(update={"created": BEFORE + timedelta(days=3650)})
    assert verdict(check(late, RECORDS)) is None
    page = page_of(late)
    assert "none of them has been run since" in page.summary
    assert "recorded before it was sealed" in table(page, "predictions").rows[0][-1].text


def test_a_report_finds_them_beside_the_records_and_says_what_is_broken(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    for record in RECORDS:
        writer.add(record)
    good = sealed(expectation(different()[0], 1.0))
    text = writer.seal(good).read_text()
    (tmp_path / "scaling" / f"forged{SUFFIX}").write_text(text.replace(good.expectations[0].label, "another"))
    found = reading.read(tmp_path)
    assert found.sealed == (good,)
    assert [(hole.file, "not as it was sealed" in hole.why) for hole in found.holes] == [
        (f"scaling/forged{SUFFIX}", True)
    ]
    assert reading.read(tmp_path, "scaling").sealed == (good,)
    files = produce(found)
    assert b"pages/predictions.html" in files["report.html"]
    assert b"+0.0%" in files["pages/predictions.html"]
    assert good.fitted[0].encode() in files["pages/predictions.html"]
    assert "figures/predictions-held.svg" in files


def test_packed_they_say_the_same(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    path = writer.seal(sealed(*(expectation(record, 1.0) for record in different())))
    plain = path.stat().st_size
    before, after = writer.pack(lambda _: None)
    assert (before, after < before / 2) == (plain, True)
    assert not path.exists()
    (found,) = reading.read(tmp_path).sealed
    assert found == sealed(*(expectation(record, 1.0) for record in different()))
    assert writer.pack(lambda _: None) == (0, 0)


def test_without_them_nothing_is_said_of_them() -> None:
    assert "pages/predictions" not in [page.name for page in report(worlds.evidence(RECORDS)).pages]


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    one = sealed(expectation(different()[0], 1.0))
    one.save(tmp_path / "one")
    with pytest.raises(ValueError, match="not written over"):
        one.save(tmp_path / "one")


def far(algorithm: str, workers: int, share: float, straggler: str | None = None) -> Expectation:
    return Expectation(
        identity=f"{algorithm} {workers} {straggler}",
        label=f"torch alexnet {algorithm}",
        algorithm=algorithm,
        workers=workers,
        model="alexnet",
        network="10GbE",
        straggler=straggler,
        alone=0.2,
        seconds=0.2 / share,
    )


def test_clusters_that_are_not_here_are_drawn_over_their_workers() -> None:
    shares = {"synchronous": (0.9, 0.8, 0.7), "layerwise": (1.0, 0.75, 0.1), "local_sgd": (0.95, 0.9, 0.85)}
    told = [
        far(name, n, share) for name, those in shares.items() for n, share in zip((4, 64, 1024), those, strict=True)
    ]
    slow = [far("synchronous", n, 0.5, "lognormal:sigma=1,mean=0.1x") for n in (4, 64, 1024)]
    page = page_of(sealed(*told, *slow))
    (section,) = [one for one in page.sections if one.name == "elsewhere"]
    assert "held" not in [one.name for one in page.sections]
    (found,) = table(page, "elsewhere").rows
    assert [entry.text for entry in found] == [
        "AlexNet", "10GbE", "70%", "–", "10%", "–", "64", "local SGD", "85%",
    ]  # fmt: skip
    figure = next(block for block in section.blocks if isinstance(block, Figure))
    assert isinstance(figure.chart, Lines)
    assert [panel.title for panel in figure.chart.panels] == [
        "10GbE, no straggler",
        "10GbE, random delays (lognormal, mean 0.1 of a step)",
    ]
    assert [(line.label, line.y[-1]) for line in figure.chart.panels[0].lines] == [
        ("layer-wise", pytest.approx(0.1)),
        ("local SGD", pytest.approx(0.85)),
        ("synchronous", pytest.approx(0.7)),
    ]


@pytest.mark.parametrize(("layers", "fused"), [(0.1, 0.7), (0.7, 0.1)])
def test_the_first_page_says_where_layer_wise_and_stock_horovod_are_furthest_apart(layers: float, fused: float) -> None:
    near = [far("layerwise", n, 0.9) for n in (4, 64, 1024)] + [far("stock_horovod", n, 0.85) for n in (4, 64, 1024)]
    apart = [far("layerwise", n, layers) for n in (4, 64, 256)] + [far("stock_horovod", n, fused) for n in (4, 64, 256)]
    there = [one.model_copy(update={"network": "1GbE"}) for one in apart]
    assert elsewhere.said(elsewhere.curves([*near, *there])) == (
        "Predicted, not measured: layer-wise and stock Horovod are furthest apart for AlexNet on 1GbE with 256 workers, "
        f"{layers:.0%} and {fused:.0%} of the machines' speed."
    )


def test_two_numbers_of_workers_make_no_curve() -> None:
    page = page_of(sealed(far("synchronous", 4, 0.9), far("synchronous", 64, 0.8)))
    assert "elsewhere" not in [one.name for one in page.sections]
