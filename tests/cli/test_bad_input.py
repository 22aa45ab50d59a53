"""What the command line says to mistakes: exit code 2, one line, the value, what is allowed, the nearest match."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from suite.cli.app import run

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("trian", "unknown command 'trian' (did you mean 'train'?); known: doctor, horovod, list,"),
        ("train --modle alexnet", "unknown option of train '--modle' (did you mean '--model'?); known: "),
        ("train --model alexnte", "unknown model 'alexnte' (did you mean 'alexnet'?); known: "),
        ("train --algorithm delayd", "unknown algorithm 'delayd' (did you mean 'delayed'?); known: "),
        ("train --framework pytorch", "unknown framework 'pytorch' (did you mean 'torch'?); known: torch, tensorflow"),
        ("train --data cifar", "unknown data set 'cifar' (did you mean 'cifar10'?); known: "),
        ("train --optimizer adamx", "unknown optimizer 'adamx' (did you mean 'adam"),
        (
            "train --algorithm delayed --set step=1",
            "unknown option of delayed 'step' (did you mean 'steps'?); known: steps",
        ),
        ("train --algorithm delayed --set steps=-1", "steps=-1: must be a whole number >= 0"),
        ("train --algorithm delayed --set steps", "--set 'steps': write --set name=value"),
        ("train --algorithm delayed --set steps=1 --set steps=2", "--set 'steps' is given twice"),
        ("train --algorithm synchronous --set overlap=1", "overlap=1: must be True or False"),
        ("train --algorithm admm", "runs in the virtual cluster only"),
        ("train --algorithm torch_ddp --framework tensorflow", "'torch_ddp' does not run on tensorflow"),
        ("train --algorithm backup_workers --set spares=3", "spares"),
        ("train --batch-size 0", "--batch-size 0: input should be greater than or equal to 1"),
        ("train --batch-size many", "Invalid value for '--batch-size', 'many'"),
        ("train --straggler lognormul:sigma=1", "lognormul"),
        ("train --wire fp61", "wire='fp61': must be one of 'none', 'fp16', 'int16', 'powersgd'; did you mean 'fp16'?"),
        ("train --wire powersgd:rank=none", "'rank=none' must be an option and a whole number"),
        ("train --wire powersgd --algorithm local_sgd", "local_sgd sends parameters"),
        ("train --wire fp16 --algorithm torch_ddp", "must be 'none' with torch_ddp"),
        ("train --replay no-such-profile", "no-such-profile"),
        ("train --gbit 5", "--gbit 5.0: for --virtual only"),
        ("train --virtual 0", "--virtual 0: must be at least 1"),
        ("train --virtual 4 --compute -1", "--compute -1.0: must be above 0"),
        ("train --virtual 4 --framework tensorflow", "framework 'tensorflow' has no virtual form"),
        ("train --virtual 4 --replay alexnet-torch-cpu", "replay has no virtual form"),
        ("train --virtual 1 --algorithm bare", "'bare' is a control of real runs and has no virtual form"),
        ("train --virtual 4 --agreement-every 3", "agreement_every = 3 has no virtual form"),
        ("train --virtual 4 --algorithm admm --momentum 0.5", "'admm' holds plain SGD"),
        ("train --virtual 1438 --model tiny-cnn --data digits", "more than the 1437 samples of the training data"),
        (
            "train --virtual 4 --model lenet --data fashion-mnist --data-folder /no",
            "apt-get install dataset-fashion-mnist",
        ),
        ("train --virtual 512 --algorithm asynchronous --width 4", "workers = 512: need about"),
        ("bench quik", "unknown experiment 'quik' (did you mean 'quick'?); known: "),
        ("bench quick --repeat 0", "must be at least 1"),
        ("bench quick --only framwork=torch", "unknown axis in --only 'framwork' (did you mean 'framework'?)"),
        ("bench quick --only framework=mxnet", "unknown framework in --only 'mxnet'; known: tensorflow, torch"),
        ("bench quick --retry", "--retry is for --resume"),
        ("bench quick --records tests", "not a folder of records"),
        ("bench /no/such/file.toml", "/no/such/file.toml: cannot be read"),
        ("report --records tests", "not a folder of records"),
        ("report --experiment nope --records tests", "not a folder of records"),
        ("compare /no/such/folder tests", "there is no folder /no/such/folder"),
        ("compare tests tests --false-alarm 2", "--false-alarm 2: must be between 0 and 1"),
        ("compare tests tests --tolerance -1", "--tolerance -1: must be 0 or more"),
        ("list modles", "unknown kind of thing to list 'modles' (did you mean 'models'?)"),
        ("profile alexnte", "unknown model 'alexnte' (did you mean 'alexnet'?)"),
        ("profile alexnet --out /no/such/folder/p.json", "there is no folder /no/such/folder"),
        ("profile lenet --batch-size 0", "must be at least 1"),
        ("doctor --ranks 0", "--ranks 0: must be greater than 0"),
        ("records exprt", "unknown command 'exprt' (did you mean 'export'?)"),
        ("records ls --records /no/such/folder", "there is no folder /no/such/folder"),
        ("records export --out x.xlsx", "unknown kind of file '.xlsx'"),
    ],
)
def test_a_mistake_is_answered_in_one_line(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert said in printed.err


def suite(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "suite", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_process_ends_with_the_code_and_without_a_traceback() -> None:
    done = suite("train", "--model", "alexnte")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command", ["doctor", "list", "train", "profile", "records", "records ls", "records show", "records export"]
)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == 0
    assert "Example: " in capsys.readouterr().out


def test_help_needs_no_framework_and_comes_at_once() -> None:
    begin = time.monotonic()
    code = (
        "import sys; from suite.cli.app import run; run(['--help']); print({'torch', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines()[-1] == "set()", done.stderr
    assert time.monotonic() - begin < 10  # 0.2 s on an idle machine


MACHINES = """\
# the cluster
no-such-host.invalid slots=2
node2
no-such-host.invalid slots=4
nor-this.invalid slots=2
"""
BAD = """\
question = "What does waiting cost?"
repetitons = 2
[run]
steps = "many"
targets = [0.5]
optimizer = { learning_rate = 0.1, weight_decay = 0.01 }
[axes]
framework = ["torch", "tensorflow"]
model = ["lenet", "alexnte", { name = "lenet", replay = { profile = "nothing" } }]
algorithm = [
  "synchronous",
  { name = "backup_workers", spares = 2 },
  { name = "delayed", stepps = 1 },
  { name = "softsync", gradients = 4 },
  "torch_ddp",
]
workers = [2, 0, 4]
network = [
  "local",
  { preset = "1GbE", rate_mbit = 400, delay_ms = -1 },
  { file = "machines", ssh_port = 70000 },
  { file = "small" },
]
straggler = ["none", "constant:factor=3,rank=3"]
[[override]]
where = { model = "lenet" }
set = { effective_batch_size = 7 }
[[exclude]]
where = { seed = 7 }
"""
SAID = """\
2: unknown key 'repetitons' (did you mean 'repetitions'?); known: axes, exclude, minutes, order_seed, override, \
question, repetitions, run, title, tuning
4: run.steps = 'many': input should be a valid integer
5: targets need evaluate_every, the samples between evaluations, to be at least 1
8: weight_decay with sgd is a term of the gradient in torch and a shrinking of the weights in Keras: no comparison. \
Use adamw, or torch alone
9: no profile 'nothing': neither a file nor one of *
9: unknown model 'alexnte' (did you mean 'alexnet'?); there are *
12: backup_workers: spares=2: must be in [0, 1] with 2 workers
13: unknown option of delayed 'stepps' (did you mean 'steps'?); known: steps, compensation, drain
14: softsync: gradients=4: must be in [1, 2] with 2 workers
15: torch_ddp does not run on tensorflow; exclude the pair
17: axes.workers.1 = 0: input should be greater than or equal to 1
17: effective_batch_size = 7 cannot be shared by 2 workers
17: effective_batch_size = 7 cannot be shared by 4 workers
20: axes.network.1.delay_ms = -1: input should be greater than or equal to 0
20: preset and rate_mbit both set the rate; keep one
21: axes.network.2.ssh_port = 70000: input should be less than or equal to 65535
21: machines:2: host 'no-such-host.invalid' is unknown: *
21: machines:3: host 'node2' has no slots; write `node2 slots=N`
21: machines:4: host 'no-such-host.invalid' is listed twice, first in line 2
21: machines:5: host 'nor-this.invalid' is unknown: *
22: small: ranks is 4, must be between 1 and 2, the slots of the host file together
24: straggler 'constant:factor=3,rank=3' slows rank 3, must be below 2, the number of ranks
29: this exclude matches no run
"""


def test_an_experiment_is_told_all_its_mistakes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys, types, ranges, combinations and host files, each with its line, in the file's order, and nothing twice."""
    monkeypatch.chdir(tmp_path)
    Path("machines").write_text(MACHINES)
    Path("small").write_text("localhost slots=2\n")
    Path("bad.toml").write_text(BAD)
    assert run(["bench", "bad.toml", "--records", "records"]) == 2
    said = capsys.readouterr().err.removeprefix("error: ").splitlines()
    expected = [f"bad.toml:{line}" for line in SAID.splitlines()]
    assert [line[: one.find("*")] + "*" if "*" in one else line for line, one in zip(said, expected, strict=True)] == (
        expected
    )
    assert not Path("records").exists()


def test_every_unknown_host_is_named_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "machines").write_text("no-such-host.invalid slots=1\nnor-this.invalid slots=1\n")
    (tmp_path / "far.toml").write_text(
        'question = "Who is there?"\n[axes]\nframework = ["torch"]\nmodel = ["lenet"]\nalgorithm = ["synchronous"]\n'
        f'network = [{{ file = "{tmp_path / "machines"}" }}]\n'
    )
    assert run(["bench", str(tmp_path / "far.toml"), "--records", str(tmp_path / "records")]) == 2
    said = capsys.readouterr().err
    assert f"far.toml:6: {tmp_path / 'machines'}:1: host 'no-such-host.invalid' is unknown" in said
    assert f"far.toml:6: {tmp_path / 'machines'}:2: host 'nor-this.invalid' is unknown" in said
    assert not (tmp_path / "records").exists()
