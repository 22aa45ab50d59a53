"""What a TensorFlow rank does about a device that is not there."""

from __future__ import annotations

import pytest


def test_without_a_gpu_a_run_on_gpus_is_refused(monkeypatch):
    import tensorflow as tf

    from suite.cli.specify import Wanted, specification
    from suite.run import tensorflow_side
    from suite.run.side import Place

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    chosen = specification(Wanted(framework="tensorflow", model="tiny-cnn", algorithm="bare", device="gpu"), 1)
    with pytest.raises(ValueError, match="device = gpu"):
        tensorflow_side.build(chosen, Place(0, 1, 0, lambda mine: [mine]))
