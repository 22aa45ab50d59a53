"""Ranks that fail, hang, die and disagree on purpose; run by tests/runner/test_parallel_runner.py only."""

import os
import signal
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.ranks(2)


def test_passes_before(rank: int, ranks: int) -> None:
    assert ranks == 2
    assert rank in (0, 1)


def test_fails_on_one_rank(rank: int) -> None:
    print(f"said by rank {rank}")
    assert rank == 0, "rank 1 fails here"


@pytest.mark.timeout(4)
def test_hangs_on_one_rank(rank: int) -> None:
    print(f"rank {rank} before the hang")
    if rank == 1:
        time.sleep(600)


def test_dies_by_signal(rank: int) -> None:
    if rank == 1:
        os.write(2, b"last words of rank 1\n")
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(600)


def test_leaves(rank: int) -> None:
    if rank == 0:
        os._exit(3)
    time.sleep(600)


def test_skipped_by_one_rank(rank: int) -> None:
    if rank == 0:
        pytest.skip("not on rank 0")


def test_skipped_by_all() -> None:
    pytest.skip("nowhere")


@pytest.mark.xfail(strict=True, reason="known")
def test_expected_to_fail() -> None:
    raise AssertionError


@pytest.fixture
def broken(rank: int) -> None:
    if rank == 1:
        raise RuntimeError("fixture broke on rank 1")


@pytest.mark.usefixtures("broken")
def test_with_broken_fixture() -> None:
    pass


def test_shares_a_folder(rank: int, shared_path: Path) -> None:
    (shared_path / str(rank)).touch()
    deadline = time.monotonic() + 30
    while len(list(shared_path.iterdir())) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("letter", ["a", "b"])
def test_passes_after(letter: str) -> None:
    assert letter in "ab"
