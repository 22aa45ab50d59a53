"""What a TensorFlow rank makes of what it was asked for."""

from __future__ import annotations

import pytest

from suite.experiment.live import Live


def test_without_a_gpu_a_run_on_gpus_is_refused(monkeypatch):
    import tensorflow as tf

    from suite.cli.specify import Wanted, specification
    from suite.rank import tensorflow_side
    from suite.rank.side import Place

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    chosen = specification(Wanted(framework="tensorflow", model="tiny-cnn", algorithm="bare", device="gpu"), 1)
    with pytest.raises(ValueError, match="device = gpu"):
        tensorflow_side.build(Live(chosen), Place(0, 1, 0, lambda mine: [mine]))


def test_agreement_is_asked_for_as_often_as_the_run_says(monkeypatch):
    from suite.cli.specify import Wanted, specification
    from suite.rank import tensorflow_side
    from suite.rank.side import Place

    asked = {}

    class AskedError(Exception):
        pass

    def wrapper(inner, algorithm, **options):
        asked.update(options)
        raise AskedError  # before it wants Horovod

    monkeypatch.setattr(tensorflow_side, "DistributedOptimizer", wrapper)
    wanted = Wanted(framework="tensorflow", model="tiny-cnn", algorithm="synchronous", agreement_every=7)
    with pytest.raises(AskedError):
        tensorflow_side.build(Live(specification(wanted, 1)), Place(0, 1, 0, lambda mine: [mine]))
    assert asked["check_every"] == 7
