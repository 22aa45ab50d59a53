"""Faults as an axis: what they are called, and which combinations are refused, with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.cli.app import run
from suite.experiment.file import ExperimentError, parse
from suite.experiment.plan import expand

TEXT = """\
question = "q"
[run]
steps = 9
evaluate_every = 0
[axes]
framework = ["torch"]
model = ["lenet"]
algorithm = ["synchronous"]
workers = [3]
network = ["local"]
faults = ["none", "kill:rank=2,step=4"]
"""


def test_a_run_says_what_happens_to_it() -> None:
    runs = expand(parse(TEXT, Path("good.toml"))).runs
    assert {run.labels.faults: run.specification.faults for run in runs} == {
        "none": None,
        "kill:rank=2,step=4": "kill:rank=2,step=4",
    }


def test_only_some_faults_can_be_asked_for() -> None:
    plan = expand(parse(TEXT, Path("good.toml")))
    assert {run.labels.faults for run in plan.only(["faults=kill*"]).runs} == {"kill:rank=2,step=4"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kill:rank=2", "kil:rank=2", "unknown kind 'kil' (did you mean 'kill'?)"),
        ("rank=2", "rank=3", "rank = 3, must be 0 <= rank < 3, the workers"),
        ("step=4", "step=9", "step = 9, must be 0 <= step < 9, the run's steps"),
        ("workers = [3]", "workers = [2]", "rank = 2, must be 0 <= rank < 2"),
        (
            '["local"]',
            "[{ rate_mbit = 100 }]",
            "network of kind 'emulated' do not come and go, those of 'local' do",
        ),
        ('["local"]', '["virtual"]', "hosts of a network of kind 'virtual' do not come and go"),
        ('"synchronous"', '"torch_ddp"', "torch_ddp is a control without an elastic state"),
        ('"synchronous"', '"adasum"', "adasum needs MPI, and elastic jobs talk over Gloo"),
        (
            '"synchronous"',
            '{ name = "backup_workers", spares = 2 }',
            "backup_workers(spares=2) cannot go on with those who are left: spares=2",
        ),
        ("evaluate_every = 0", "evaluate_every = 99", "evaluate_every = 99, must be 0"),
    ],
)
def test_what_does_not_go_together_has_its_line(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ExperimentError) as found:
        expand(parse(TEXT.replace(old, new), Path("bad.toml")))
    problems = [problem for problem in found.value.problems if message in problem.message]
    assert [problem.line for problem in problems] == [11], found.value.problems
    assert all("\n" not in problem.message for problem in problems)


def test_the_command_ends_with_code_2_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(TEXT.replace("rank=2", "rank=3"))
    assert run(["bench", str(file), "--records", str(tmp_path / "records")]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert "bad.toml:11: faults 'kill:rank=3,step=4': rank = 3, must be 0 <= rank < 3" in printed.err


def test_steps_unrolled_in_one_function_cannot_be_committed_one_by_one() -> None:
    text = TEXT.replace('"torch"', '"tensorflow"').replace("steps = 9", "steps = 9\nsteps_per_execution = 3")
    with pytest.raises(ExperimentError, match="steps_per_execution = 3, must be 1"):
        expand(parse(text, Path("bad.toml")))
