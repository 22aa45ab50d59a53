"""An experiment file is understood, or every mistake in it is told at once with its line and the nearest known name."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.experiment import file as experiment
from suite.experiment.file import ExperimentError, load, parse

GOOD = """\
question = "q"
[run]
batch_size = 8
[axes]
framework = ["torch"]
model = ["lenet"]
algorithm = ["synchronous", { name = "delayed", steps = 2 }]
"""


def problems(text, name="bad.toml"):
    try:
        found = parse(text, Path(name)).problems
    except ExperimentError as error:
        found = error.problems
    return [(problem.line, problem.message) for problem in sorted(set(found))]


def test_a_good_file_is_understood():
    file = parse(GOOD, Path("good.toml")).file
    assert file.run.batch_size == 8
    assert [choice.called() for choice in file.axes.algorithm] == ["synchronous", "delayed(steps=2)"]


def test_all_mistakes_are_told_at_once_with_their_lines():
    text = """\
question = "q"
repetitons = 2
[run]
batch_size = "8"
optimiser = "sgd"
optimizer = { learning_rate = -1, momntum = 0.9 }
data = "digts"
[axes]
framework = ["torch", "tensorfow"]
model = ["lenett", { name = "googlenet", image = 0 }]
algorithm = [
  "synchronous",
  { name = "delayd", steps = 1 },
  { name = "delayed", stepps = 1 },
  { name = "delayed", steps = -1 },
  "admm",
]
network = ["lcal", { rate_mbit = 0 }, { preset = "1GB" }]
straggler = ["none", "lognormul:sigma=1"]
[[override]]
where = { algoritm = "delayed" }
set = { optimizer = { learning_rat = 0.1 }, stepss = 3 }
"""
    found = problems(text)
    lines = {line for line, _ in found}
    assert {2, 4, 5, 6, 7, 9, 10, 13, 14, 15, 18, 19, 21, 22} <= lines  # line 16 depends on the network, which is wrong
    told = "\n".join(f"{line}: {message}" for line, message in found)
    for piece in (
        "2: unknown key 'repetitons' (did you mean 'repetitions'?)",
        "5: unknown key 'optimiser' (did you mean 'optimizer'?)",
        "6: unknown key 'momntum' (did you mean 'momentum'?)",
        "did you mean 'digits'?",
        "did you mean 'tensorflow'?",
        "did you mean 'lenet'?",
        "did you mean 'delayed'?",
        "did you mean 'steps'?",
        "steps=-1: must be a whole number >= 0",
        "did you mean 'local'?",
        "19: straggler 'lognormul:sigma=1': unknown kind 'lognormul'; did you mean 'lognormal'?",
        "did you mean 'algorithm'?",
        "did you mean 'learning_rate'?",
    ):
        assert piece in told, told


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        (('question = "q"', 'question = ""'), 1, "question"),
        (('question = "q"', 'question = "q'), 1, "not TOML"),
        (("batch_size = 8", "batch_size = true"), 3, "integer"),
        (("batch_size = 8", "batch_size = 8\nbatch_size = 9"), 4, "not TOML"),
        (("batch_size = 8", "batch_size = 8\neffective_batch_size = 9"), 4, "keep one"),
        (("batch_size = 8", 'optimizer = { schedule = { rule = "stp" } }'), 3, "did you mean 'step'"),
        (("batch_size = 8", 'steps = "many"'), 3, "integer"),
        (("batch_size = 8", "batch_size = true"), 3, "run.batch_size = true: input should be a valid integer"),
        (
            ("steps = 2", "steps = { a = 1 }"),
            7,
            "axes.algorithm.1.steps: input should be a valid boolean, integer, number",
        ),
        (
            ("batch_size = 8", 'optimizer = { name = "rmsprob" }'),
            3,
            "unknown run.optimizer.name 'rmsprob' (did you mean 'rmsprop'?)",
        ),
        (('["torch"]', "[]"), 5, "at least 1"),
        (('framework = ["torch"]', ""), 4, "axes.framework is missing"),
    ],
)
def test_single_mistakes(change, line, message):
    (found,) = problems(GOOD.replace(*change))
    assert found[0] == line
    assert message in found[1]


def test_the_name_must_be_fit_for_a_folder():
    assert "small letters" in problems(GOOD, "My Test.toml")[0][1]


def test_an_unknown_experiment_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'quick'"):
        load("quik")


def test_a_missing_file_is_named():
    with pytest.raises(ValueError, match=r"nothing\.toml: cannot be read"):
        load("/nowhere/nothing.toml")


@pytest.mark.parametrize("path", sorted(experiment.SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_experiments_are_understood(path):
    assert load(path.stem).file.question.endswith("?")
