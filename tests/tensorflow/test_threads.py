"""Rounds need two of TensorFlow's inter-op threads, and how many there are is asked of all who may have said it."""

from __future__ import annotations

import os

import pytest
import tensorflow as tf

from algorithms.tensorflow import refusals


@pytest.mark.parametrize(("told", "threads"), [("1", 1), ("3", 3), ("0", 5), ("many", 5), (None, 5)])
def test_the_environment_counts_where_the_program_says_nothing(
    monkeypatch: pytest.MonkeyPatch, told: str | None, threads: int
) -> None:
    monkeypatch.setattr(tf.config.threading, "get_inter_op_parallelism_threads", lambda: 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(5)))
    monkeypatch.delenv("TF_NUM_INTEROP_THREADS", raising=False)
    if told is not None:
        monkeypatch.setenv("TF_NUM_INTEROP_THREADS", told)
    assert refusals.inter_op_threads() == threads


def test_the_program_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config.threading, "get_inter_op_parallelism_threads", lambda: 4)
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "1")
    assert refusals.inter_op_threads() == 4
