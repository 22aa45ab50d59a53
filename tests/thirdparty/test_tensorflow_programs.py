"""Every program on Keras with every algorithm at its default settings, on two ranks."""

from __future__ import annotations

from pathlib import Path

import horovod.tensorflow as hvd
import pytest

from tests.thirdparty.cells import ROWS, TENSORFLOW, check

pytestmark = [pytest.mark.ranks(2), pytest.mark.usefixtures("tensorflow_job")]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("program", TENSORFLOW)
def test_program(program: str, row: str, rank: int, ranks: int, tmp_path: Path) -> None:
    check(program, row, rank, ranks, tmp_path, hvd.allgather_object)
