"""One table of axes, and everything that takes its axes from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.experiment.axes import Axes, Where
from suite.experiment.file import parse
from suite.experiment.plan import expand
from suite.record.axes import AXES, Labels, Use, axes
from tests.record.examples import record, specification

TEXT = """
question = "?"
[axes]
framework = ["torch"]
model = ["lenet"]
algorithm = ["synchronous", { name = "delayed", steps = 1, label = "late" }]
wire = ["none", "fp16"]
workers = [2, 4]
straggler = ["none", "constant:factor=4"]
faults = ["none", "join:step=5"]
seed = [3]
"""


def test_files_and_selections_know_every_axis_of_the_table_and_no_other() -> None:
    assert tuple(Axes.model_fields) == tuple(Where.model_fields) == tuple(AXES)


@pytest.mark.parametrize("axis", AXES)
def test_every_axis_can_be_asked_for_in_only(axis: str, tmp_path: Path) -> None:
    plan = expand(parse(TEXT, tmp_path / "a.toml"))
    values = plan.values(axis)
    assert values and sum(len(plan.only([f"{axis}={value}"]).runs) for value in values) == len(plan.runs)


def test_labels_say_what_the_specification_says_unless_the_experiment_has_a_name_for_it(tmp_path: Path) -> None:
    for run in expand(parse(TEXT, tmp_path / "a.toml")).runs:
        named = {axis: getattr(run.labels, axis) for axis, row in AXES.items() if row.renamed}
        assert run.labels == Labels.of(run.specification, **named)
        assert named["algorithm"] in ("synchronous", "late")


def test_a_coded_run_is_called_so_without_an_experiment() -> None:
    """Runs of `farandole train --virtual N --wire fp16 --records F` were all called plain."""
    coded = specification().model_copy(update={"wire": "fp16"})
    assert Labels.of(coded).contender.endswith(" in fp16")


def test_a_plain_selector_word_matches_with_and_without_options() -> None:
    where = Where(straggler="constant", workers=(2, 4))
    assert where.axes() == {"straggler", "workers"}


def test_what_is_averaged_over_is_left_out_of_what_tells_runs_apart() -> None:
    labels = record().labels
    again = labels.model_copy(update={"seed": labels.seed + 1})
    assert labels != again and labels.without(Use.AVERAGED) == again.without(Use.AVERAGED)
    other = labels.model_copy(update={"workers": labels.workers + 1})
    assert labels.without(Use.AVERAGED, Use.TUNED, Use.CONTENDER) != other.without(
        Use.AVERAGED, Use.TUNED, Use.CONTENDER
    )
    assert sum(len(axes(use)) for use in Use) == len(AXES)


FROM_THE_BEGINNING = [name for name, row in AXES.items() if not row.renamed and Labels.model_fields[name].is_required()]


@pytest.mark.parametrize("axis", FROM_THE_BEGINNING)
def test_a_record_whose_label_contradicts_its_specification_is_refused(axis: str) -> None:
    made = record()
    wrong = made.labels.model_copy(update={axis: 99 if isinstance(getattr(made.labels, axis), int) else "other"})
    with pytest.raises(ValueError, match=f"label {axis} = "):
        type(made).model_validate(made.model_dump() | {"labels": wrong.model_dump()})
