"""What does not go together is told in one go with what is wrong by itself, and never as the consequence of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.experiment.file import ExperimentError, parse
from suite.experiment.plan import expand

GOOD = """\
question = "q"
[run]
steps = 3
evaluate_every = 0
[axes]
framework = ["torch", "tensorflow"]
model = ["lenet"]
algorithm = ["synchronous", { name = "delayed", steps = 1 }]
workers = [4, 6]
network = ["local"]
straggler = ["none"]
"""


def told(*changes):
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(ExperimentError) as found:
        expand(parse(text, Path("bad.toml")))
    return [(problem.line, problem.message) for problem in found.value.problems]


def lines(*changes):
    return [line for line, _ in told(*changes)]


SPARES = ('"synchronous"', '{ name = "backup_workers", spares = 4 }')  # too many for the 4 workers of line 9
QUORUM = "backup_workers: spares=4: must be in [0, 3] with 4 workers"
AT_THE_END = 'straggler = ["none"]\n'


def test_the_file_itself_is_right():
    assert len(expand(parse(GOOD, Path("good.toml"))).runs) == 8


@pytest.mark.parametrize(
    ("mistake", "line"),
    [
        (('"q"', '""'), 1),
        (('question = "q"', 'question = "q"\nminutes = -1'), 2),
        (("steps = 3", 'steps = "3"'), 3),
        (("[run]", "[rnu]"), 2),
        (('"tensorflow"]', '"tensorfow"]'), 6),
        (('["torch", "tensorflow"]', "[]"), 6),
        (('["torch", "tensorflow"]', '["tensorfow"]'), 6),
        (('framework = ["torch", "tensorflow"]', ""), 5),
        (('"lenet"', '"lenett"'), 7),
        (('"delayed", steps = 1', '"delayed", steps = -1'), 8),
        (("workers = [4, 6]", "workers = [-4, 4]"), 9),
        (('["local"]', '["locl"]'), 10),
        (('["none"]', '["nome"]'), 11),
        ((AT_THE_END, AT_THE_END + "[[override]]\nwhere = { seed = 0 }\nset = { stpes = 1 }\n"), 14),
        ((AT_THE_END, AT_THE_END + "[[override]]\nwhere = { sed = 0 }\nset = { steps = 1 }\n"), 13),
        ((AT_THE_END, AT_THE_END + "[[exclude]]\nwhere = { sed = 0 }\n"), 13),
    ],
)
def test_a_wrong_value_hides_no_combination_of_others(mistake, line):
    found = told(SPARES, mistake)
    assert sorted(one for one, _ in found) == sorted([line, 9 if line == 2 and "minutes" in mistake[1] else 8])
    assert QUORUM in [message for _, message in found]


@pytest.mark.parametrize(
    ("mistakes", "expected"),
    [
        # what the framework, the workers or the network are to be is not known
        ([('"synchronous"', '"torch_ddp"'), ('"tensorflow"', '"tensorfow"')], [6]),
        ([SPARES, ("[4, 6]", '["4"]')], [9]),
        ([SPARES, ("workers = ", "worker = ")], [9]),
        ([('["none"]', '["constant:factor=3,rank=5"]'), ("[4, 6]", "[0]")], [9]),
        ([("steps = 3", "effective_batch_size = 5"), ("[4, 6]", "[0]")], [9]),
        ([('["local"]', "[{ rate_mbit = 400, hosts = 5, loss = 2 }]")], [10]),
        ([('["local"]', "[{ rate_mbit = 0 }]")], [10]),
        # nor what all runs share
        ([("steps = 3", "targets = [0.5]"), ("evaluate_every = 0", 'evaluate_every = "a"')], [4]),
        ([("steps = 3", "targets = [0.5]"), ("evaluate_every", "evalute_every")], [4]),
        ([("steps = 3", "optimizer = { name = 'sgdd', weight_decay = 0.1 }")], [3]),
        ([("steps = 3", "batch_size = 8\neffective_batch_size = 5")], [4]),
        ([("steps = 3", 'data = { name = "token" }'), ('"lenet"', '"gpt-small"')], [3]),
        # nor what a selection selects
        ([("6]", "0]"), (AT_THE_END, AT_THE_END + "[[exclude]]\nwhere = { workers = 6 }\n")], [9]),
        ([(AT_THE_END, AT_THE_END + '[[exclude]]\nwhere = { worker = 9, algorithm = "adasum" }\n')], [13]),
        (
            [
                ('"synchronous"', '"torch_ddp"'),
                (
                    AT_THE_END,
                    AT_THE_END + '[[exclude]]\nwhere = { algorithm = "torch_ddp", framwork = "tensorflow" }\n',
                ),
            ],
            [13],
        ),
        (
            [
                ("steps = 3", "effective_batch_size = 10"),
                (
                    AT_THE_END,
                    AT_THE_END + "[[override]]\nwhere = { workers = [4, 6] }\nset = { effective_batch_size = 0 }\n",
                ),
            ],
            [14],
        ),
    ],
)
def test_what_depends_on_a_wrong_value_is_not_judged(mistakes, expected):
    assert lines(*mistakes) == expected


def test_a_section_under_a_wrong_name_is_one_mistake():
    assert told(("[axes]", "[axis]")) == [
        (
            5,
            "unknown key 'axis' (did you mean 'axes'?); known: axes, exclude, minutes, order_seed, override, question, "
            "repetitions, run, title, tuning",
        )
    ]


@pytest.mark.parametrize(
    ("changes", "line", "message"),
    [
        ("targets = [0.5]", 14, "targets need evaluate_every"),
        ("effective_batch_size = 12", 14, "say the same thing twice"),
        ('optimizer = { schedule = { rule = "linear" } }', 14, "learning-rate rule 'linear'"),
    ],
)
def test_an_override_must_fit_what_it_overrides(changes, line, message):
    run = ("steps = 3", 'batch_size = 8\noptimizer = { schedule = { rule = "step", options = { every = 9 } } }')
    ((at, said),) = told(
        run, (AT_THE_END, AT_THE_END + f"[[override]]\nwhere = {{ seed = 0 }}\nset = {{ {changes} }}\n")
    )
    assert at == line + 1
    assert message in said


def test_an_override_of_a_part_keeps_the_name_that_was_written_alone():
    text = GOOD.replace("steps = 3", 'optimizer = "adam"')
    text += "[[override]]\nwhere = { seed = 0 }\nset = { optimizer = { learning_rate = 0.5 } }\n"
    optimizers = {
        (run.specification.optimizer.name, run.labels.learning_rate)
        for run in expand(parse(text, Path("good.toml"))).runs
    }
    assert optimizers == {("adam", 0.5)}


def test_the_same_twice_is_told_once_an_axis():
    assert told(("[4, 6]", "[4, 4]")) == [(9, "two runs are the same: workers 4 and 4 differ in nothing that counts")]


def test_an_excluded_run_may_be_too_large_for_its_hosts(tmp_path):
    (tmp_path / "machines").write_text("localhost slots=4\n")
    text = GOOD.replace('"local"', f'{{ file = "{tmp_path / "machines"}" }}')
    text += '[[exclude]]\nwhere = { network = "hosts", workers = 6 }\n'
    assert {run.labels.workers for run in expand(parse(text, Path("good.toml"))).runs} == {4}
