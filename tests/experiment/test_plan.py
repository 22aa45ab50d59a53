"""Experiments expand to every combination once, in blocks whose comparisons stand side by side; misfits are refused."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from suite.experiment import file as experiment
from suite.experiment.file import ExperimentError, parse
from suite.experiment.plan import expand

TEXT = """\
question = "q"
repetitions = 2
[run]
batch_size = 8
optimizer = { learning_rate = 0.1, momentum = 0.9 }
[axes]
framework = ["torch", "tensorflow"]
model = ["lenet"]
algorithm = ["synchronous", "stock_horovod", { name = "delayed", steps = 2 }]
workers = [2, 4]
network = ["local", { rate_mbit = 400 }, { preset = "1GbE" }, { preset = "1GbE", scale = 0.1, hosts = 2 }]
straggler = ["none", "constant:factor=3,rank=1"]
seed = [0, 1]
"""


def planned(text=TEXT, **options):
    return expand(parse(text, Path("plan.toml")), **options)


def refused(text):
    with pytest.raises(ExperimentError) as found:
        planned(text)
    return [(problem.line, problem.message) for problem in found.value.problems]


def test_every_combination_once_per_repetition():
    runs = planned().runs
    assert len(runs) == 2 * (2 * 1 * 3 * 2 * 4 * 2 * 2)
    assert [run.position for run in runs] == list(range(len(runs)))
    keys = {(run.identity, run.repetition) for run in runs}
    assert len(keys) == len(runs)
    assert len({run.labels.model_dump_json() for run in runs}) == len(runs) // 2


def test_the_order_is_seeded_and_in_blocks():
    runs = planned().runs
    assert [run.identity for run in runs] == [run.identity for run in planned().runs]
    other = planned(TEXT.replace("repetitions = 2", "repetitions = 2\norder_seed = 1")).runs
    assert [run.identity for run in runs] != [run.identity for run in other]
    blocks = [(run.repetition, run.labels.seed) for run in runs]
    assert [key for key, _ in itertools.groupby(blocks)] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [run.round for run in runs] == sorted(run.round for run in runs)


def test_what_is_compared_runs_side_by_side_in_random_order():
    runs = planned().runs
    groups = [[*group] for _, group in itertools.groupby(runs, lambda run: _without_algorithm(run))]
    assert all(len(group) == 3 for group in groups)
    orders = {tuple(run.labels.algorithm for run in group) for group in groups}
    assert len(orders) == 6


def _without_algorithm(run):
    return run.round, run.labels.model_copy(update={"algorithm": ""}).model_dump_json()


def test_networks_are_named_for_what_they_are():
    labels = {run.labels.network for run in planned().runs if run.labels.workers == 4}
    assert labels == {"local", "400 Mbit/s", "1GbE x 1/32", "2 hosts, 1GbE x 1/10"}
    two = next(run for run in planned().runs if run.labels.network == "400 Mbit/s" and run.labels.workers == 2)
    assert (two.specification.network.hosts, two.specification.network.rate_mbit) == (2, 400)


def test_every_option_is_filled_in():
    run = next(run for run in planned().runs if run.labels.algorithm == "delayed(steps=2)")
    assert run.specification.algorithm.options == {"steps": 2, "compensation": 0.0, "drain": "apply"}
    assert run.specification.model.image == 28
    assert run.specification.model.classes == 10


def test_overrides_change_what_they_select_and_keep_the_rest():
    text = (
        TEXT
        + '[[override]]\nwhere = { algorithm = "delayed" }\nset = { steps = 7, optimizer = { learning_rate = 0.01 } }\n'
    )
    for run in planned(text).runs:
        chosen = run.specification.algorithm.name == "delayed"
        assert run.specification.steps == (7 if chosen else 20)
        assert run.specification.optimizer.learning_rate == (0.01 if chosen else 0.1)
        assert run.specification.optimizer.momentum == 0.9


def test_excluded_runs_are_left_out():
    text = TEXT + '[[exclude]]\nwhere = { framework = "tensorflow", workers = [4] }\n'
    runs = planned(text).runs
    assert len(runs) == 2 * 192 * 3 // 4
    assert not [run for run in runs if run.labels.framework == "tensorflow" and run.labels.workers == 4]


@pytest.mark.parametrize("kind", ["override", "exclude"])
def test_a_selection_that_selects_nothing_is_a_mistake(kind):
    extra = "set = { steps = 3 }\n" if kind == "override" else ""
    found = refused(TEXT + f'[[{kind}]]\nwhere = {{ algorithm = "layerwise" }}\n{extra}')
    assert found == [(15, f"this {kind} matches no run")]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('"stock_horovod"', '{ name = "backup_workers", spares = 3 }', 9, "spares"),
        ("workers = [2, 4]", "workers = [2, 3]", 11, "workers = 3: must be a multiple of the network's 2 hosts"),
        ("factor=3,rank=1", "factor=3,rank=2", 12, "rank 2"),
        ("constant:factor", "constnt:factor", 12, "did you mean 'constant'"),
        ("batch_size = 8", "effective_batch_size = 6", 10, "effective_batch_size = 6 cannot be shared by 4 workers"),
        (
            '"stock_horovod"',
            '"synchronous"',
            9,
            "two runs are the same: algorithm 'synchronous' and 'synchronous' differ in",
        ),
        ('"stock_horovod"', '{ name = "backup_workers", give_up = true }', 9, "whose steps cannot be left"),
        ('"stock_horovod"', '"torch_ddp"', 9, "torch_ddp does not run on tensorflow"),
        ('"stock_horovod"', '"bare"', 9, "bare runs on 1 worker"),
        ("momentum = 0.9", "weight_decay = 0.1", 7, "Use adamw"),
        (
            '"lenet"',
            '{ name = "lenet", replay = { profile = "alexnet-torch-cpu" } }',
            8,
            "model 'alexnet'",
        ),
        ('"lenet"', '{ name = "lenet", replay = { profile = "nothing" } }', 8, "no profile 'nothing'"),
    ],
)
def test_combinations_that_cannot_work_are_refused(old, new, line, message):
    found = refused(TEXT.replace(old, new))
    assert {one for one, _ in found} == {line}
    assert any(message in text for _, text in found), found


def test_only_keeps_what_is_named():
    plan = planned()
    assert {run.labels.algorithm for run in plan.only(["algorithm=delayed"]).runs} == {"delayed(steps=2)"}
    some = plan.only(["algorithm=s*", "workers=2", "framework=torch"])
    assert {run.labels.algorithm for run in some.runs} == {"synchronous", "stock_horovod"}
    assert {run.labels.workers for run in some.runs} == {2}
    identity = plan.runs[5].identity
    assert {run.identity for run in plan.only([identity[:12]]).runs} == {identity}


def test_only_that_leaves_nothing_says_what_there_is():
    with pytest.raises(ValueError, match=r"axis in --only 'algoritm' .did you mean 'algorithm'"):
        planned().only(["algoritm=delayed"])
    with pytest.raises(ValueError, match=r"algorithm in --only 'synchronos' .did you mean 'synchronous'"):
        planned().only(["algorithm=delayed", "algorithm=synchronos"])
    with pytest.raises(ValueError, match=r"algorithm in --only 'delayd' .did you mean 'delayed\(steps=2\)'"):
        planned().only(["algorithm=delayd"])
    with pytest.raises(ValueError, match="--only '': write axis=pattern"):
        planned().only([""])
    with pytest.raises(ValueError, match="no run of plan has an identity that begins so"):
        planned().only(["algorithm"])
    with pytest.raises(ValueError, match="leaves no run of plan: no run is all of that at once"):
        planned().only(
            ["algorithm=delayed", next(r.identity for r in planned().runs if r.labels.algorithm == "synchronous")]
        )


def test_the_learning_rate_can_be_an_axis():
    plan = planned(TEXT.replace("workers = [2, 4]", "workers = [2]\nlearning_rate = [0.1, 0.5]"))
    assert len(plan.runs) == 384
    assert {run.specification.optimizer.learning_rate for run in plan.runs} == {0.1, 0.5}
    assert all(run.labels.learning_rate == run.specification.optimizer.learning_rate for run in plan.runs)
    assert {run.labels.learning_rate for run in plan.only(["learning_rate=0.5"]).runs} == {0.5}


def test_repetitions_can_be_set():
    assert len(planned(repetitions=1).runs) == 192
    with pytest.raises(ValueError, match="repetitions = 0"):
        planned(repetitions=0)


@pytest.mark.parametrize("path", sorted(experiment.SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_experiments_expand(path):
    plan = expand(experiment.load(path.stem))
    assert plan.runs
    assert plan.source == path.stem


def hosts_experiment(tmp_path, network, workers=4):
    text = (
        'question = "Does the host file fit?"\n[axes]\nframework = ["torch"]\nmodel = ["lenet"]\n'
        f'algorithm = ["synchronous"]\nworkers = [{workers}]\nnetwork = [\n  {network}\n]\n'
    )
    return expand(parse(text, tmp_path / "hosts.toml"))


@pytest.fixture
def machines(tmp_path):
    path = tmp_path / "machines"
    path.write_text("node1 slots=2\nnode2 slots=2\n")
    return path


def test_hosts_say_how_they_are_reached(tmp_path, machines):
    key = tmp_path / "key"
    key.write_text("")
    network = f'{{ file = "{machines}", interfaces = ["ib0"], ssh_port = 2222, ssh_identity_file = "{key}" }}'
    (run,) = hosts_experiment(tmp_path, network).runs
    assert run.labels.network == f"hosts:{machines} over ib0"
    cluster = run.specification.network.open(4)
    assert (cluster.interfaces, cluster.ssh_port, cluster.ssh_identity_file) == (("ib0",), 2222, str(key))
    assert run.specification.kind == "measured"


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ('{ file = "nowhere" }', "hosts.toml:8: host file nowhere cannot be read"),
        ('{ file = "MACHINES", interfaces = [] }', "hosts.toml:8: axes.network.0.interfaces"),
        ('{ file = "MACHINES", interfaces = ["eth0,ib0"] }', "hosts.toml:8: axes.network.0.interfaces.0 = 'eth0,ib0'"),
        ('{ file = "MACHINES", ssh_port = 70000 }', "hosts.toml:8: axes.network.0.ssh_port = 70000"),
        ('{ file = "MACHINES", ssh_identity_file = "nokey" }', "hosts.toml:8: ssh_identity_file nokey: no such file"),
        ('{ file = "MACHINES", interface = "eth0" }', "unknown key 'interface' (did you mean 'interfaces'?)"),
        (
            '{ file = "MACHINES", rate_mbit = 100 }',
            "hosts.toml:8: rate_mbit shapes an emulated network, not one of kind 'hosts'",
        ),
        (
            '{ file = "MACHINES", preset = "1GbE" }',
            "hosts.toml:8: preset shapes an emulated network, not one of kind 'hosts'",
        ),
        ("{ rate_mbit = 100, ssh_port = 22 }", "hosts.toml:8: ssh_port is for a network of kind 'hosts'"),
    ],
)
def test_mistakes_about_hosts(tmp_path, machines, network, message):
    with pytest.raises(ExperimentError, match=re.escape(message)):
        hosts_experiment(tmp_path, network.replace("MACHINES", str(machines)))


def test_more_workers_than_slots_and_a_damaged_host_file(tmp_path, machines):
    network = f'{{ file = "{machines}" }}'
    with pytest.raises(ExperimentError, match="ranks is 6, must be between 1 and 4"):
        hosts_experiment(tmp_path, network, workers=6)
    machines.write_text("node1 slots=2\nnode1 slots=2\nnode2\n")
    with pytest.raises(ExperimentError) as caught:
        hosts_experiment(tmp_path, network)
    assert f"{machines}:2: host 'node1' is listed twice, first in line 1" in str(caught.value)
    assert f"{machines}:3: host 'node2' has no slots" in str(caught.value)


def test_options_may_be_arrays():
    schedule = 'schedule = { rule = "milestones", options = { steps = [3, 6], factors = [0.5, 0.1] } }'
    run = planned(TEXT.replace("momentum = 0.9", f"momentum = 0.9, {schedule}")).runs[0]
    assert run.specification.optimizer.schedule.options == {"steps": (3, 6), "factors": (0.5, 0.1)}
