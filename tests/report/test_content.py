"""What a report says, also where there is little to say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from suite.record.outcome import Reason
from suite.record.schema import Record
from suite.report import ReportError, evidence, render
from suite.report.charts.specification import points
from suite.report.content import Level, Notice, Page, Points, Prose, Report, Section, Table
from suite.report.rendering import produce
from tests.report import scripted, worlds


def words(report: Report, *names: str) -> str:
    """Everything written in these sections, or in all."""
    found = [] if names else [text for page in report.pages for text in (page.title, page.summary)]
    for section in report.walk():
        if names and section.name not in names:
            continue
        for block in section.blocks:
            if isinstance(block, Prose | Notice):
                found.append(block.text)
            elif isinstance(block, Points):
                found += [f"{item.lead} {item.text}" for item in block.items]
            elif isinstance(block, Table):
                found += [block.caption, *(entry.text for row in block.rows for entry in row)]
    return "\n".join(found)


def section(report: Report, name: str) -> Section:
    return next(one for one in report.walk() if one.name == name)


def table(report: Report, name: str) -> Table:
    return next(one for one in report.tables if one.name == name)


def of(report: Report, name: str) -> Page:
    return next(one for one in report.pages if one.name == name)


def column(found: Table, key: str) -> list[str]:
    place = [one.key for one in found.columns].index(key)
    return [row[place].text for row in found.rows]


@pytest.fixture(scope="module")
def report() -> Report:
    world = scripted.at_speed(scripted.World(), no_communication=0.9, delayed=0.95, synchronous=1.5)
    return worlds.reported(*worlds.quick(world=world), *worlds.delay(world))


def test_the_first_page_answers_with_three_pictures_and_then_every_question(report: Report) -> None:
    landing = report.landing
    assert landing.name == "report"
    assert [one.name for one in landing.sections[0].sections] == ["gain", "learning", "map"]
    questions = words(report, "questions")
    assert "How many more samples does training need when gradients arrive k steps late" in questions
    assert "times as fast as synchronous training with delayed, 1 step late" in questions
    assert (
        "To 97%, nothing surely needs fewer samples than synchronous training; the fewest: delayed, 1 step late, 1."
        in questions
    )


def test_a_picture_without_evidence_says_which_command_would_give_it(report: Report) -> None:
    assert (
        "No records of AlexNet or GoogLeNet on one and on more workers. farandole bench scaling makes them."
        in words(report, "gain")
    )
    assert "No records of AlexNet and GoogLeNet trained to an accuracy. farandole bench virtual-alexnet makes" in words(
        report, "learning"
    )
    assert "farandole bench network, and farandole bench stragglers, make them" in words(report, "map")
    assert {figure.name for figure in report.landing.figures} == {"landing-learning"}  # of the small net of `delay`


def test_an_experiment_has_a_page_with_its_question_its_answer_a_picture_and_a_short_table(report: Report) -> None:
    page = of(report, "pages/delay-measured")
    assert page.title.startswith("How many more samples does training need")
    assert page.summary.startswith("To 97%, nothing surely needs fewer samples than synchronous training; the fewest: ")
    main = page.sections[0]
    assert [type(block).__name__ for block in main.blocks[:2]] == ["Figure", "Table"]
    assert all(one.folded for one in page.sections[1:])
    assert column(table(report, "delay-measured-main"), "algorithm") == ["synchronous", "delayed, 1 step late"]


def test_no_main_table_has_more_than_eight_rows() -> None:
    names = ("scaling", "network", "stragglers", "memory", "convergence")
    many = worlds.reported(*(record for name in names for record in scripted.records(name, repetitions=1)))
    mains = [one for one in many.tables if one.name.endswith("-main")]
    assert len(mains) == len(names)
    assert all(1 < len(one.rows) <= 8 for one in mains)


def test_speed_up_over_workers_is_shown_with_ceiling_control_and_both_nets() -> None:
    found = worlds.reported(*scripted.records("scaling", repetitions=2))
    (figure,) = [one for one in found.landing.figures if one.name == "landing-gain"]
    assert [panel.title for panel in figure.chart.panels] == ["AlexNet, emulated", "GoogLeNet, emulated"]  # type: ignore[union-attr]
    for panel in figure.chart.panels:  # type: ignore[union-attr]
        roles = {line.role.name for line in panel.lines}  # type: ignore[union-attr]
        assert {"REFERENCE", "CONTROL", "CEILING", "IDEAL", "ALGORITHM"} <= roles
    assert re.search(r"4 workers get through [\d.]+ \[.*\] times as many samples of AlexNet", words(found, "gain"))


def test_the_map_says_who_wins_where_and_for_sure_only_where_it_is() -> None:
    world = scripted.at_speed(scripted.World(), delayed=0.5)
    records = (
        *scripted.records("network", repetitions=2, world=world),
        *scripted.records("stragglers", repetitions=1),
    )
    found = worlds.reported(*records)
    (figure,) = [one for one in found.landing.figures if one.name == "landing-map"]
    (panel,) = figure.chart.panels  # type: ignore[union-attr]
    assert panel.title == "4 workers, emulated"
    assert panel.columns == ("100 Mbit/s", "400 Mbit/s", "1000 Mbit/s", "4000 Mbit/s")  # type: ignore[union-attr]
    by_row: dict[str, list[object]] = {}
    for cell in panel.cells:  # type: ignore[union-attr]
        by_row.setdefault(panel.rows[cell.row], []).append(cell)  # type: ignore[union-attr]
    assert all(cell.sure and cell.name == "delayed" for cell in by_row["AlexNet, no straggler"])  # type: ignore[attr-defined]
    assert not any(cell.sure for cell in by_row["AlexNet, 1 MB, one worker 4 times slower"])  # type: ignore[attr-defined]


def test_simulated_training_of_both_nets_is_drawn_as_such() -> None:
    made = []
    for net in ("alexnet", "googlenet"):
        for record in worlds.delay():
            asked = record.specification
            model = asked.model.model_copy(update={"name": net})
            network = asked.network.model_copy(update={"kind": "virtual"})
            changed = asked.model_copy(update={"model": model, "network": network})
            labels = record.labels.model_copy(update={"model": net})
            made.append(
                record.model_copy(
                    update={
                        "specification": changed,
                        "labels": labels,
                        "kind": "simulated",
                        "identity": changed.identity,
                    }
                )
            )
    found = worlds.reported(*made)
    (figure,) = [one for one in found.landing.figures if one.name == "landing-learning"]
    titles = [panel.title for panel in figure.chart.panels]  # type: ignore[union-attr]
    assert titles == ["AlexNet, simulated, 2 workers", "GoogLeNet, simulated, 2 workers"]
    said = words(found, "learning")
    for net in ("AlexNet", "GoogLeNet"):
        assert f"{net} on 2 workers reaches 97% with nothing surely sooner than synchronous training" in said
    assert "No records of" not in said


def test_options_are_in_words_and_the_exact_ones_beside_them(report: Report) -> None:
    found = table(report, "quick-emulated-speed")
    place = [one.key for one in found.columns].index("algorithm")
    entry = next(row[place] for row in found.rows if row[place].value == "delayed(steps=1)")
    assert (entry.text, entry.exact) == ("delayed, 1 step late", "delayed(steps=1)")


def test_every_run_stands_there_with_the_command_that_repeats_it(report: Report) -> None:
    found = table(report, "quick-emulated-runs")
    assert len(found.rows) == 7 * 3
    assert all(text.startswith("python -m suite bench quick --only ") for text in column(found, "command"))


def test_kinds_never_share_a_table_or_a_figure(report: Report) -> None:
    kinds = {"pages/quick-emulated": "emulated", "pages/delay-measured": "measured"}
    assert {page.name: page.kind for page in report.pages if page.kind} == kinds
    assert not {block.name for block in report.figures if "measured" in block.name and "emulated" in block.name}


def test_one_experiment_of_two_kinds_has_two_sections() -> None:
    emulated = worlds.quick(repetitions=1)
    measured = scripted.records("frameworks", "framework=torch", "model=alexnet", "workers=2", repetitions=1)
    renamed = tuple(record.model_copy(update={"experiment": "quick"}) for record in measured)
    both = worlds.reported(*emulated, *renamed)
    names = [one.name for one in both.pages]
    assert {"pages/quick-measured", "pages/quick-emulated"} <= set(names)
    assert set(column(table(both, "quick-measured-runs"), "model")) == {"alexnet"}
    assert set(column(table(both, "quick-emulated-runs"), "model")) == {"AlexNet"}


def test_every_figure_has_data_and_says_in_words_what_it_shows(report: Report) -> None:
    assert report.figures
    for figure in report.figures:
        assert points(figure.chart) > 0
        assert len(figure.alt) > 40
        assert figure.caption


def test_ceiling_control_and_floor_stand_in_every_chart_of_speed() -> None:
    records = scripted.records("scaling", "framework=torch", "model=AlexNet", repetitions=2)
    report = worlds.reported(*records)
    (figure,) = [one for one in report.figures if one.name == "scaling-emulated-workers"]
    for panel in figure.chart.panels:  # type: ignore[union-attr]
        roles = {line.role.name for line in panel.lines}  # type: ignore[union-attr]
        assert {"REFERENCE", "CONTROL", "CEILING", "FLOOR"} <= roles


def test_an_option_with_three_values_is_an_axis_and_never_reached_is_no_point() -> None:
    report = worlds.reported(*scripted.records("period", "algorithm=downpour*", "algorithm=local_sgd*"))
    (figure,) = [one for one in report.figures if one.name == "period-measured-period"]
    accuracy, samples = figure.chart.panels  # type: ignore[union-attr]
    assert {line.label: line.x for line in accuracy.lines} == {  # type: ignore[union-attr]
        "DOWNPOUR": (1, 4, 16, 64),
        "local SGD": (1, 4, 16, 64),
    }
    assert {line.label: line.x for line in samples.lines}["DOWNPOUR"] == (1, 4)  # type: ignore[union-attr]


def test_two_options_that_change_at_once_are_two_families() -> None:
    report = worlds.reported(*scripted.records("delay"))
    (figure,) = [one for one in report.figures if one.name == "delay-measured-steps"]
    (line,) = [one for one in figure.chart.panels[0].lines if one.label == "delayed"]  # type: ignore[union-attr]
    assert line.x == (1, 2, 3, 4)  # the one with compensation is not on this line


def test_recorded_memory_stands_beside_what_was_declared() -> None:
    report = worlds.reported(*scripted.records("memory", "framework=torch"))
    (figure,) = [one for one in report.figures if one.name == "memory-emulated-memory"]
    (panel,) = figure.chart.panels  # type: ignore[union-attr]
    bars = {bar.label: (bar.parts, bar.marks[0].at) for bar in panel.bars}  # type: ignore[union-attr]
    assert bars["delayed, 3 steps late"] == ((3.0,), 3.0)
    found = table(report, "memory-emulated-declared")
    assert set(column(found, "memory_verdict")) == {"as declared"}
    assert set(column(found, "bytes_verdict")) == {"as declared"}


def test_memory_measured_while_training_goes_before_what_was_held_at_the_end() -> None:
    copies = {"delayed(steps=3)": 3.04, "layerwise": 0.2}
    records = [
        resident(one, 700_000_000 + round(copies.get(one.labels.algorithm, 0.0) * (one.ranks[0].parameter_bytes or 0)))
        for one in scripted.records("memory", "framework=torch")
    ]
    report = worlds.reported(*records)
    (figure,) = [one for one in report.figures if one.name == "memory-emulated-memory"]
    assert "beyond the process of no_communication" in figure.caption
    assert produce(worlds.evidence(records))  # it can be drawn, too
    bars = {bar.label: bar.parts[0] for bar in figure.chart.panels[0].bars}  # type: ignore[union-attr]
    assert bars["delayed, 3 steps late"] == pytest.approx(3.04, abs=1e-6)
    assert "no communication" not in bars
    found = table(report, "memory-emulated-declared")
    verdicts = dict(zip(column(found, "algorithm"), column(found, "memory_verdict"), strict=True))
    assert verdicts["delayed, 3 steps late"] == verdicts["stock Horovod"] == "as declared"
    assert verdicts["layer-wise"] == "more than declared"


def resident(record: Record, size: int) -> Record:
    ranks = tuple(rank.model_copy(update={"memory_steady_bytes": size}) for rank in record.ranks)
    return record.model_copy(update={"ranks": ranks})


def test_memory_is_measured_only_by_runs_that_are_made_for_it() -> None:
    records = [resident(one, 700_000_000) for one in scripted.records("quick", "framework=torch", "model=AlexNet")]
    found = table(worlds.reported(*records), "quick-emulated-declared")
    assert "memory_measured" not in [one.key for one in found.columns]


def test_compute_that_holds_the_update_is_said_to() -> None:
    made = scripted.records("quick", "framework=tensorflow", "model=AlexNet")
    told = "compute holds it, too"
    assert not [one for one in worlds.reported(*made).figures if told in one.caption]
    traced = []
    for record in made:
        ranks = [
            rank.model_copy(update={"steps": rank.steps.model_copy(update={"update": None})}) for rank in record.ranks
        ]
        traced.append(record.model_copy(update={"ranks": tuple(ranks)}))
    (figure,) = [one for one in worlds.reported(*traced).figures if told in one.caption]
    assert "parts" in figure.name


def test_more_memory_than_declared_is_said() -> None:
    records = []
    for record in scripted.records("memory", "framework=torch", "algorithm=delayed(steps=1)"):
        ranks = tuple(
            rank.model_copy(update={"telemetry": rank.telemetry.model_copy(update={"memory_bytes": 10**9})})
            for rank in record.ranks
            if rank.telemetry is not None
        )
        records.append(record.model_copy(update={"ranks": ranks}))
    assert column(table(worlds.reported(*records), "memory-emulated-declared"), "memory_verdict") == [
        "more than declared"
    ]


def test_a_reference_that_nothing_stands_beside_is_no_answer() -> None:
    alone = worlds.reported(*scripted.records("delay", "algorithm=synchronous"))
    assert "nothing is known to need fewer samples" in of(alone, "pages/delay-measured").summary
    assert "reaches" not in words(alone, "learning")


def test_a_run_without_any_evaluation_is_a_hole_not_a_failure_to_learn() -> None:
    blind = [
        record.model_copy(update={"evaluations": (), "reached": ()})
        if record.labels.algorithm != "synchronous"
        else record
        for record in worlds.delay()
    ]
    found = table(worlds.reported(*blind), "delay-measured-targets")
    place = column(found, "algorithm").index("delayed, 1 step late")
    assert column(found, "outcome")[place] == "3 without any evaluation"
    assert column(found, "samples")[place] == "–"
    assert "never there" not in of(worlds.reported(*blind), "pages/delay-measured").summary


# Little or nothing to say


def test_no_records() -> None:
    report = worlds.reported()
    assert "No records here" in words(report, "answer")


def test_a_folder_that_is_not_there_gives_a_report_that_says_so(tmp_path: Path) -> None:
    rendered = render(tmp_path / "nowhere", tmp_path / "out")
    assert rendered.records == 0
    assert "no records yet" in rendered.message
    assert "No records here" in rendered.page.read_text()


def test_one_record() -> None:
    report = worlds.reported(worlds.quick(repetitions=1)[0])
    assert "No answer yet: 1 of 1 run finished" in of(report, "pages/quick-emulated").summary
    assert "farandole bench quick" in of(report, "pages/quick-emulated").summary
    assert not report.landing.figures
    assert len(table(report, "quick-emulated-speed").rows) == 1
    assert "no setting has a finished run of" in words(report, "holes")


@pytest.mark.parametrize("reason", list(Reason))
def test_only_failed_runs(reason: Reason) -> None:
    report = worlds.reported(*worlds.quick(world=scripted.failing(reason), repetitions=1))
    assert not report.figures  # an empty chart would look like a result
    assert "7 of 7 runs did not finish" in words(report, "trust")
    assert "No answer: none of 7 runs finished. Run it again: farandole bench quick" in words(report, "questions")
    holes = table(report, "holes")
    assert set(column(holes, "reason")) == {reason.value}
    assert "ValueError: it broke" in column(holes, "stderr")[0]
    assert all(text.startswith("failed: ") for text in column(table(report, "quick-emulated-speed"), "outcome"))
    assert produce(worlds.evidence(worlds.quick(world=scripted.failing(reason), repetitions=1)))


def test_a_hole_is_shown_where_a_number_is_missing() -> None:
    report = worlds.reported(*worlds.quick(world=scripted.failing(Reason.KILLED, "layerwise")))
    found = table(report, "quick-emulated-speed")
    place = column(found, "algorithm").index("layer-wise")
    assert column(found, "outcome")[place] == "3 failed: killed"
    assert column(found, "runs")[place] == "0 of 3"
    assert column(found, "speedup")[place] == "–"
    assert not any("layer-wise" in str(one.chart) for one in report.figures)


def test_a_sweep_that_was_cut_short_is_noticed() -> None:
    records = worlds.quick(repetitions=3)
    report = worlds.reported(*(one for one in records if not (one.labels.algorithm == "layerwise" and one.repetition)))
    assert "fewer than 3 runs of layer-wise" in words(report, "holes")


def test_diverged_runs_are_holes_of_their_own() -> None:
    report = worlds.reported(*worlds.delay(scripted.diverging("delayed")))
    assert "diverged" in column(table(report, "holes"), "reason")
    targets = table(report, "delay-measured-targets")
    place = column(targets, "algorithm").index("delayed, 1 step late")
    assert column(targets, "outcome")[place] == "3 diverged"
    assert column(targets, "samples")[place] == "never"


def test_records_of_a_newer_schema_and_broken_ones_are_named(tmp_path: Path) -> None:
    folder = scripted.write(tmp_path / "records", worlds.quick(repetitions=1))
    files = sorted((folder / "quick").glob("*.json"))
    text = files[0].read_text()
    files[0].write_text(text.replace('"schema_version":1', '"schema_version":2', 1))
    files[1].write_text(text[: len(text) // 2])
    (folder / "farandole-records.json").write_text('{"schema_version": 2}')
    (folder / "damaged").mkdir()
    (folder / "damaged" / "quick-0.json").write_text("{")
    rendered = render(folder, tmp_path / "out")
    assert (rendered.records, rendered.holes) == (5, 3)
    assert "3 files could not be read" in rendered.page.read_text()
    page = (tmp_path / "out" / "pages" / "trust.html").read_text()
    assert "1 record of a newer version" in page
    assert f"quick/{files[1].name}" in page
    assert "damaged/quick-0.json" in page


def test_only_newer_records(tmp_path: Path) -> None:
    folder = scripted.write(tmp_path / "records", worlds.quick(repetitions=1)[:1])
    (file,) = (folder / "quick").glob("*.json")
    file.write_text(file.read_text().replace('"schema_version":1', '"schema_version":9', 1))
    page = render(folder, tmp_path / "out").page.read_text()
    assert "1 record here are of a newer version of farandole: update it" in page
    assert (tmp_path / "out" / "pages" / "trust.html").exists()


def test_the_last_attempt_counts() -> None:
    first = worlds.quick(world=scripted.failing(Reason.KILLED), repetitions=1)
    again = tuple(record.model_copy(update={"attempt": 1}) for record in worlds.quick(repetitions=1))
    found = evidence.of_records((*first, *again))
    assert found.superseded == 7
    assert all(record.finished for record in found.records)


def test_a_failed_run_without_hosts_joins_the_environment_of_its_sweep() -> None:
    world = scripted.failing(Reason.START, "layerwise")
    found = worlds.studied(*worlds.quick(world=world, repetitions=1))
    assert {group.setting.environment for one in found.experiments for group in one.groups} == {"E1"}


def test_warnings_of_records_are_counted() -> None:
    warned: list[Record] = [
        record.model_copy(update={"warnings": ("8 ranks share 2 cores",)}) for record in worlds.quick(repetitions=1)
    ]
    assert "quick: 8 ranks share 2 cores (7 times)" in words(worlds.reported(*warned), "holes")


# Files


def test_a_report_replaces_a_report_and_nothing_else(tmp_path: Path) -> None:
    folder = scripted.write(tmp_path / "records", worlds.quick(repetitions=1)[:2])
    out = tmp_path / "out"
    render(folder, out)
    (out / "figures" / "left-over.svg").write_text("old")
    render(folder, out)
    assert not (out / "figures" / "left-over.svg").exists()
    with pytest.raises(ReportError, match="holds other files"):
        render(folder, folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="is a file"):
        render(folder, tmp_path / "file")
    with pytest.raises(ReportError, match="is a file, not a folder"):
        render(tmp_path / "file", out)
    with pytest.raises(ReportError, match="did you mean 'quick'"):
        render(folder, out, experiment="quik")
    with pytest.raises(ReportError, match="there are no records in"):
        render(tmp_path / "nothing", out, experiment="quick")


def test_holes_stand_in_the_level_of_their_notice() -> None:
    report = worlds.reported(*worlds.quick(world=scripted.failing(Reason.KILLED), repetitions=1))
    levels = {block.level for block in section(report, "trust").blocks if isinstance(block, Notice)}
    assert Level.HOLE in levels
