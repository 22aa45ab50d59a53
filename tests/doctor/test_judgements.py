"""What the doctor makes of what it finds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from suite.doctor import machine, ranks
from suite.doctor.check import Status
from suite.doctor.machine import Cpu
from suite.doctor.ranks import Answer

ROOT = Path(__file__).parents[2]
BUILT = {"gloo": True, "mpi": False, "nccl": False, "adasum": False}
GOOD = Answer(({"sums": {"float32": True}, "built": BUILT}, {"sums": {"float32": True}, "built": BUILT}))
SILENT = Answer((), "rank 1 not done after 5 s")


def test_versions_are_compared_with_the_lock() -> None:
    assert machine.compare("", {"torch": "2.13.0+cpu"}, {"torch": "2.13.0"}).status is Status.OK
    other = machine.compare("", {"torch": "2.12.0"}, {"torch": "2.13.0"})
    assert (other.status, "torch 2.13.0" in other.advice) == (Status.NOTE, True)
    missing = machine.compare("", {"horovod": None}, {"horovod": "0.28.1"})
    assert (missing.status, "horovod is not installed" in missing.advice) == (Status.PROBLEM, True)


@pytest.mark.parametrize(("addresses", "status"), [(["127.0.0.1"], Status.NOTE), (["192.168.1.7"], Status.OK)])
def test_a_loopback_host_name_is_worth_a_note(addresses: list[str], status: Status) -> None:
    assert machine.judge_host_name("node7", addresses).status is status


@pytest.mark.parametrize(
    ("cpu", "wanted", "status"),
    [(Cpu(4, None), 4, Status.OK), (Cpu(2, None), 4, Status.NOTE), (Cpu(8, 1.5), 2, Status.NOTE)],
)
def test_cores_against_ranks(cpu: Cpu, wanted: int, status: Status) -> None:
    assert machine.judge_cores(cpu, wanted).status is status


def test_too_little_memory_is_a_problem() -> None:
    assert machine.judge_memory(3_000_000_000, 2).status is Status.PROBLEM
    assert machine.judge_memory(5_000_000_000, 2).status is Status.OK


@pytest.mark.parametrize(
    ("gpus", "nccl", "cuda", "status"),
    [([], False, None, Status.OK), (["H200"], False, None, Status.NOTE), (["H200"], True, "13.0", Status.OK)],
)
def test_gpus_that_nothing_uses_are_worth_a_note(gpus: list[str], nccl: bool, cuda: str | None, status: Status) -> None:
    assert machine.judge_gpus(gpus, nccl, cuda).status is status


def test_wrong_sums_and_silence_are_problems() -> None:
    assert ranks.judge_sums("PyTorch", GOOD, "x").status is Status.OK
    wrong = Answer((GOOD.first, {"sums": {"float32": False}, "built": BUILT}))
    assert "rank 1: float32" in ranks.judge_sums("PyTorch", wrong, "x").found
    assert ranks.judge_sums("PyTorch", SILENT, "x").found == "rank 1 not done after 5 s"


def test_the_build_is_a_problem_when_a_framework_does_not_work() -> None:
    assert ranks.judge_build(GOOD, GOOD).found == "PyTorch, TensorFlow; gloo; no MPI"
    for_gpus = Answer(({"built": BUILT | {"nccl": True}},))
    assert ranks.judge_build(for_gpus, GOOD).found == "PyTorch, TensorFlow; gloo, nccl for PyTorch; no MPI"
    assert ranks.judge_build(GOOD, SILENT).status is Status.PROBLEM
    assert ranks.judge_build(SILENT, SILENT).status is Status.PROBLEM


@pytest.mark.parametrize(("ours", "status"), [(0.0, Status.OK), (1e-7, Status.PROBLEM)])
def test_keras_ranks_must_agree_exactly(ours: float, status: Status) -> None:
    check = ranks.judge_keras(Answer(({"ours": ours, "horovods": 0.2}, {})))
    assert check.status is status
    assert "0.2 with Horovod's own" in check.found


def test_the_real_thing() -> None:
    command = [sys.executable, "-m", "suite", "doctor", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=230, check=False)
    found = json.loads(done.stdout)
    checks = {check["name"]: check for check in found["checks"]}
    assert {"versions", "Horovod build", "PyTorch", "TensorFlow", "Keras 3", "host name", "netem", "GPUs"} <= set(
        checks
    )
    for name in ("PyTorch", "TensorFlow", "Keras 3"):
        assert checks[name]["status"] == "ok", checks[name]
    assert done.returncode == (0 if found["healthy"] else 1)


def test_a_probe_that_is_not_done_in_time_is_ended() -> None:
    answer = ranks.ask("torch", deadline=0.01)  # Horovod's launcher alone takes longer on any machine
    assert answer.trouble == "rank 0 and 1 not done after 0.01 s"
