"""Collectives of tensors stand in one file, where they are kept from being folded, shared or pruned."""

from __future__ import annotations

import re
from pathlib import Path

import algorithms.tensorflow

CALL = re.compile(r"hvd\.\w*(?:allreduce|allgather|broadcast|reducescatter|alltoall)(?!_object)\w*\(")


def test_only_the_wire_calls_horovods_collectives() -> None:
    folder = Path(algorithms.tensorflow.__file__).parent
    assert [path.name for path in folder.rglob("*.py") if CALL.search(path.read_text())] == ["collectives.py"]
