"""Collectives of tensors stand in one file, where they are kept from being folded, shared or pruned."""

from __future__ import annotations

import re
from pathlib import Path

import horovod.tensorflow as hvd
import numpy as np
import pytest

import algorithms.tensorflow
from algorithms.tensorflow import collectives

CALL = re.compile(r"hvd\.\w*(?:allreduce|allgather|broadcast|reducescatter|alltoall)(?!_object)\w*\(")


def test_only_the_wire_calls_horovods_collectives() -> None:
    folder = Path(algorithms.tensorflow.__file__).parent
    assert [path.name for path in folder.rglob("*.py") if CALL.search(path.read_text())] == ["collectives.py"]


def test_what_is_asked_again_and_again_is_traced_once(gloo_alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    traced: list[str] = []
    gathered = collectives.gathered
    monkeypatch.setattr(
        collectives, "gathered", lambda row, name, among: traced.append(name) or gathered(row, name, among)
    )
    hvd.init()
    try:
        # The first trace of all makes the variable of `column`, and is traced once more.
        collectives.gather(np.zeros(1), "before", hvd.global_process_set)
        traced.clear()
        for number in range(3):
            assert collectives.gather(np.array([number]), "again", hvd.global_process_set).tolist() == [[number]]
    finally:
        hvd.shutdown()
    assert traced == ["again"]
