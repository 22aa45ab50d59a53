"""A training program that dies of an error, or ends without saying so, on one of several real ranks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from suite.cluster.horovodrun import horovodrun

PROGRAM = """
import sys, time
import torch
import horovod.torch as hvd
import algorithms
from algorithms.torch import DistributedOptimizer

hvd.init()
kind, rank = sys.argv[1], hvd.rank()
net = torch.nn.Linear(3, 2)
algorithm = algorithms.LocalSGD(period=1000) if kind == "dies_alone" else algorithms.BackupWorkers(spares=1)
opt = DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.1), net, algorithm)
for step in range(12 if kind == "forgets" else 100_000):
    opt.zero_grad()
    net(torch.ones(4, 3)).sum().backward()
    time.sleep(0.02)
    if kind != "forgets" and rank == 1 and step == 10:
        print("DIES", time.time(), flush=True)
        raise ArithmeticError("the loss is no longer a number")
    try:
        opt.step()
    except Exception:
        print("LEARNS", time.time(), flush=True)
        raise
if kind == "forgets":
    print("ENDS WITHOUT FINISH", opt.telemetry().rounds, flush=True)
"""


def launch(kind: str, folder: Path, ranks: int) -> subprocess.CompletedProcess[str]:
    program = folder / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        horovodrun(ranks, [("localhost", ranks)], [sys.executable, str(program), kind]),
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("kind", ["dies", "dies_alone"])
def test_an_uncaught_error_ends_the_job_everywhere_within_ten_seconds(kind: str, tmp_path: Path) -> None:
    done = launch(kind, tmp_path, 3)
    ended = time.time()
    assert done.returncode != 0
    death = next(float(line.split()[-1]) for line in done.stdout.splitlines() if "DIES" in line)
    assert ended - death < 10 + 5, "with the time that processes take to end on a busy machine"
    for other in (0, 2):
        heard = [line for line in done.stderr.splitlines() if line.startswith(f"[{other}]")]
        assert any("training failed on rank 1" in line for line in heard), done.stderr
        assert any("ArithmeticError: the loss is no longer a number" in line for line in heard), done.stderr
    learned = [float(line.split()[-1]) for line in done.stdout.splitlines() if "LEARNS" in line]
    assert all(when - death < 10 for when in learned)


def test_a_program_that_forgets_to_finish_ends_well(tmp_path: Path) -> None:
    done = launch("forgets", tmp_path, 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ENDS WITHOUT FINISH") == 2
