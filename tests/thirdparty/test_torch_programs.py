"""Every program on PyTorch with every algorithm at its default settings, on two ranks."""

from __future__ import annotations

from pathlib import Path

import horovod.torch as hvd
import pytest

from tests.thirdparty.cells import ROWS, TORCH, check

pytestmark = [pytest.mark.ranks(2)]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("program", TORCH)
def test_program(program: str, row: str, rank: int, ranks: int, tmp_path: Path) -> None:
    hvd.init()
    check(program, row, rank, ranks, tmp_path, hvd.allgather_object)
