"""Formats of the wire as an axis: how they are written, what they are called, and which pairs are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.experiment import file as experiment
from suite.experiment.file import ExperimentError, parse
from suite.experiment.plan import expand

TEXT = """\
question = "q"
[run]
steps = 3
[axes]
framework = ["torch"]
model = ["lenet"]
algorithm = ["synchronous", "local_sgd"]
wire = ["none", "fp16", { name = "powersgd", rank = 2 }]
workers = [2]
[[exclude]]
where = { algorithm = "local_sgd", wire = "powersgd" }
"""


def told(old: str, new: str) -> list[tuple[int, str]]:
    assert old in TEXT
    with pytest.raises(ExperimentError) as found:
        expand(parse(TEXT.replace(old, new), Path("bad.toml")))
    return [(problem.line, problem.message) for problem in found.value.problems]


def test_a_run_says_in_which_form_its_numbers_travel() -> None:
    runs = expand(parse(TEXT, Path("good.toml"))).runs
    assert {run.labels.contender: run.specification.wire for run in runs} == {
        "synchronous": None,
        "synchronous in fp16": "fp16",
        "synchronous in powersgd:rank=2": "powersgd:rank=2",
        "local_sgd": None,
        "local_sgd in fp16": "fp16",
    }
    assert "wire" not in next(run for run in runs if run.labels.wire == "none").specification.canonical()


def test_forms_of_one_algorithm_are_interleaved_with_it() -> None:
    positions = [run.position for run in expand(parse(TEXT, Path("good.toml"))).runs if run.repetition == 0]
    assert positions == list(range(5))


def test_only_some_forms_can_be_asked_for() -> None:
    plan = expand(parse(TEXT, Path("good.toml")))
    assert {run.labels.wire for run in plan.only(["wire=fp*"]).runs} == {"fp16"}


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('"fp16"', '"fp61"', 8, "wire='fp61': must be one of"),
        ("rank = 2", "rnk = 2", 8, "did you mean 'rank'?"),
        ("rank = 2", "rank = 0", 8, "rank=0: must be a whole number >= 1"),
        ('"local_sgd"]', '"stock_horovod"]', 8, "must be 'none' with stock_horovod, the control"),
        ('where = { algorithm = "local_sgd"', 'where = { algorithm = "synchronous"', 8, "local_sgd sends parameters"),
        ('"local_sgd"]', '"torch_ddp"]', 8, "must be 'none' with torch_ddp, a control"),
    ],
)
def test_mistakes_are_told_with_their_line(old: str, new: str, line: int, message: str) -> None:
    found = told(old, new)
    assert any(at == line and message in said for at, said in found), found


def test_the_shipped_experiment_compares_all_forms() -> None:
    plan = expand(experiment.load("wire"))
    assert plan.values("wire") and set(plan.values("wire")) == {"none", "fp16", "int16", "powersgd"}
