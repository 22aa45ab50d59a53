"""Ranks on a Ray cluster: what may be written, what is said without Ray, and a job where Ray is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from suite.cluster import kinds, rayrun
from suite.cluster.contract import ClusterUnavailableError
from suite.cluster.on_ray import RayHosts, RayNetwork

WITHOUT = importlib.util.find_spec("ray") is None
RANK = "import os, sys; print('rank', os.environ['HOROVOD_RANK'], 'of', os.environ['HOROVOD_SIZE']); sys.exit({code})"


@pytest.mark.parametrize("address", ["auto", "here", "10.0.0.1:6379", "ray://head:10001"])
def test_it_is_written_like_any_other(address: str) -> None:
    network = kinds.asked({"ray": address})
    assert network == RayNetwork(ray=address)
    assert kinds.recorded(network.model_dump()) == network
    assert network.describe(4) == f"ray:{address}"


@pytest.mark.parametrize("address", ["", "head", "head:", "ray://head", "10.0.0.1 6379"])
def test_an_address_without_a_port_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="or a host and a port"):
        kinds.asked({"ray": address})


def test_the_command_is_that_of_horovodrun_on_rays_machines() -> None:
    argv = RayHosts("auto").command(4, ["python", "train.py"])
    assert argv[-2:] == ["python", "train.py"]
    assert argv[argv.index("-np") + 1] == "4" and argv[argv.index("--address") + 1] == "auto"
    with pytest.raises(ValueError, match="over Gloo alone"):
        RayHosts("auto").command(2, ["python"], mpi=True)


@pytest.mark.skipif(not WITHOUT, reason="Ray is installed")
def test_without_ray_one_line_says_how_to_get_it() -> None:
    with pytest.raises(ClusterUnavailableError, match=r"pip install 'farandole\[ray\]'"), RayHosts("auto"):
        pass
    ended = _run("here", 2, "import this")
    assert ended.returncode == 2 and ended.stdout == ""
    assert ended.stderr.startswith(rayrun.NO_RAY) and ended.stderr.count("\n") == 1


@pytest.mark.skipif(WITHOUT, reason="ray is no part of the lock: pip install 'farandole[ray]'")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("code", [0, 7])
def test_ranks_run_the_command_and_hand_on_what_comes_of_it(code: int) -> None:
    ended = _run("here", 2, RANK.format(code=code))
    assert ended.returncode == code
    assert {f"[{rank}]<stdout>:rank {rank} of 2" for rank in range(2)} <= {*ended.stdout.splitlines()} or code


def _run(address: str, ranks: int, program: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-P", str(Path(rayrun.__file__)), "--address", address, "-np", str(ranks), "--"]
    return subprocess.run([*argv, sys.executable, "-c", program], capture_output=True, text=True, timeout=280)
