"""Keras's `fit`, with the callbacks that people give it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from algorithms.tensorflow import DistributedOptimizer
from tests.thirdparty.data import BATCH, CLASSES, EPOCHS, INPUTS, LENGTH, WORDS, of_ranks
from tests.thirdparty.program import Place, Ran


def defaults(place: Place) -> Ran:
    return _fit(place, keras.optimizers.Adam(0.02))


def callbacks(place: Place) -> Ran:
    """Rates, early stopping and checkpoints by callbacks."""
    kept = [
        keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1),
        keras.callbacks.EarlyStopping(monitor="loss", patience=EPOCHS),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        keras.callbacks.ModelCheckpoint(str(place.folder / "model.keras"), monitor="loss", save_best_only=True),
        keras.callbacks.BackupAndRestore(str(place.folder / "backup")),
        keras.callbacks.TerminateOnNaN(),
    ]
    place.folder.mkdir(parents=True, exist_ok=True)
    return _fit(place, keras.optimizers.SGD(0.2, momentum=0.5), callbacks=kept)


def clips(place: Place) -> Ran:
    """By the wrapped optimizer, as any Keras program."""
    return _fit(place, keras.optimizers.SGD(0.2, global_clipnorm=0.5))


def clips_in_the_wrapper(place: Place) -> Ran:
    inner = keras.optimizers.SGD(0.2, global_clipnorm=0.5 if place.algorithm is None else None)
    return _fit(place, inner, {"clip_norm": 0.5})


def accumulates(place: Place) -> Ran:
    return _fit(place, keras.optimizers.SGD(0.2, gradient_accumulation_steps=2))


def embedding(place: Place) -> Ran:
    """Whose gradients TensorFlow makes sparse."""
    layers = [keras.layers.Embedding(WORDS, 4), keras.layers.Flatten(), keras.layers.Dense(WORDS)]
    return _fit(place, keras.optimizers.SGD(0.5), kind="sentences", layers=layers)


def steps_per_execution(place: Place) -> Ran:
    return _fit(place, keras.optimizers.SGD(0.2), compiled={"steps_per_execution": 4})


def _fit(
    place: Place,
    optimizer: keras.optimizers.Optimizer,
    options: dict[str, Any] | None = None,
    *,
    kind: str = "vectors",
    layers: Any = None,
    callbacks: Any = (),
    compiled: Any = None,
) -> Ran:
    keras.utils.set_random_seed(0)
    inputs, answers = of_ranks(kind, place.ranks, place.workers)
    inputs, answers = inputs.reshape(-1, *inputs.shape[2:]), answers.reshape(-1, *answers.shape[2:])
    if kind == "sentences":
        inputs, answers = inputs[:, :-1], answers[:, -1]
    shape = (LENGTH - 1,) if kind == "sentences" else (INPUTS,)
    keras.config.set_dtype_policy("float64")
    try:
        chosen = layers or [keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(CLASSES)]
        model = keras.Sequential([keras.layers.Input(shape, dtype=inputs.dtype.name), *chosen])
        for layer in model.layers:
            layer.dtype_policy = keras.DTypePolicy("float64")
        wrapped = optimizer
        if place.algorithm is not None:
            wrapped = DistributedOptimizer(optimizer, place.algorithm, **(options or {}))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=wrapped, loss=loss, **(compiled or {}))
        losses: list[float] = []
        note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: losses.append(logs["loss"]))
        batch = BATCH * len(place.ranks)
        model.fit(
            inputs, answers, batch_size=batch, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[*callbacks, note]
        )
        if isinstance(wrapped, DistributedOptimizer):
            wrapped.finish()
            with wrapped.evaluation():
                return Ran(losses, _values(model))
        return Ran(losses, _values(model))
    finally:
        keras.config.set_dtype_policy("float32")


def _values(model: keras.Model) -> dict[str, np.ndarray]:
    return {f"{number}": np.asarray(value, np.float64) for number, value in enumerate(model.get_weights())}
