"""Keras's own ways of training around the wrapper: two ranks with different data do what one process does with all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

import algorithms
from algorithms.contract import Algorithm
from algorithms.tensorflow import DistributedOptimizer, TrainingCallback

pytestmark = [pytest.mark.ranks(2), pytest.mark.usefixtures("tensorflow_job")]

Make = Callable[[], keras.optimizers.Optimizer]
STEPS, BATCH = 11, 8


@pytest.fixture(autouse=True)
def _forget(ranks: int) -> None:  # asked for, since parametrized tests would lose it
    keras.utils.clear_session()


def data(rank: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(rank)
    x = draw.normal(size=(STEPS * BATCH, 6)).astype(np.float32)
    return x, np.sin(x.sum(axis=1, keepdims=True)) + rank


def everything() -> tuple[np.ndarray, np.ndarray]:
    """The batches that one process would see: each made of both ranks' batches."""
    pairs = [data(0), data(1)]
    parts = [np.stack([pair[i].reshape(STEPS, BATCH, -1) for pair in pairs], axis=1) for i in (0, 1)]
    return parts[0].reshape(-1, 6), parts[1].reshape(-1, 1)


def net(seed: int = 3, built: bool = True) -> keras.Model:
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(7, activation="tanh"), keras.layers.Dense(5, activation="tanh"), keras.layers.Dense(1)]
    return keras.Sequential([*([keras.Input((6,))] if built else []), *layers])


def weights(model: keras.Model) -> np.ndarray:
    return np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables])


def require_equal(value: np.ndarray, name: str) -> None:
    everybody = hvd.allgather(tf.constant(value[None]), name=name).numpy()
    assert np.array_equal(everybody[0], everybody[1])


def alone(make: Make, epochs: int = 2, seed: int = 3) -> np.ndarray:
    """What plain Keras makes of both ranks' data in one process."""
    model = net(seed)
    model.compile(optimizer=make(), loss="mse")
    model.fit(*everything(), batch_size=2 * BATCH, epochs=epochs, shuffle=False, verbose=0)
    return weights(model)


def close(value: np.ndarray, expected: np.ndarray) -> None:
    assert np.linalg.norm(value - expected) <= 1e-5 * np.linalg.norm(expected)


def momentum() -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(0.05, momentum=0.9)


SYNCHRONOUS = [
    algorithms.StockHorovod(),
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    *(algorithms.LayerWise(order=order) for order in ("all", "backward", "completion", "forward")),
]


@pytest.mark.parametrize("algorithm", SYNCHRONOUS, ids=str)
def test_fit_is_plain_keras_on_all_data(algorithm: algorithms.Algorithm, rank: int) -> None:
    model = net(seed=3 + rank)
    wrapped = DistributedOptimizer(momentum(), algorithm)
    model.compile(optimizer=wrapped, loss="mse")
    model.fit(*data(rank), batch_size=BATCH, epochs=2, shuffle=False, verbose=0)
    require_equal(weights(model), "fit")
    close(weights(model), alone(momentum))
    assert wrapped.telemetry().steps == 2 * STEPS


@pytest.mark.parametrize("algorithm", [algorithms.LayerWise(), algorithms.Delayed(steps=2)], ids=str)
def test_steps_unrolled_into_one_function_change_nothing(algorithm: algorithms.Algorithm, rank: int) -> None:
    trained = []
    for steps_per_execution in (1, 4):
        model = net(seed=3 + rank)
        callback = TrainingCallback()
        wrapped = DistributedOptimizer(momentum(), algorithm)
        model.compile(optimizer=wrapped, loss="mse", steps_per_execution=steps_per_execution)
        history = model.fit(*data(rank), batch_size=BATCH, epochs=3, shuffle=False, verbose=0, callbacks=[callback])
        trained.append(weights(model))
        assert set(history.history) == {"loss", "exposed"} | ({"staleness"} if algorithm.name == "delayed" else set())
        assert history.history["exposed"][-1] >= 0
        assert wrapped.telemetry().used == 3 * STEPS  # drained
        if steps_per_execution > 1:
            assert callback.train_function is not None
            # One step, first while it creates variables; four; one, as it is planned.
            assert callback.train_function.traces == 4
    require_equal(trained[1], f"unrolled.{algorithm}")
    assert np.array_equal(*trained)


@pytest.mark.parametrize("algorithm", [algorithms.LayerWise(), algorithms.Delayed(steps=1)], ids=str)
def test_a_rank_whose_last_batch_is_short_traces_again_alone(algorithm: algorithms.Algorithm, rank: int) -> None:
    model = net(seed=3 + rank)
    wrapped = DistributedOptimizer(momentum(), algorithm)
    model.compile(optimizer=wrapped, loss="mse", steps_per_execution=4)
    x, y = (part[: len(part) - 3 * rank] for part in data(rank))
    model.fit(x, y, batch_size=BATCH, epochs=2, shuffle=False, verbose=0, callbacks=[TrainingCallback()])
    assert wrapped.telemetry().steps == 2 * STEPS
    require_equal(weights(model), f"short.{algorithm}")


def test_a_model_that_is_compiled_again_is_traced_again(rank: int) -> None:
    trained = []
    for steps_per_execution in (1, 4):
        model, callback = net(seed=3 + rank), TrainingCallback()
        wrapped = DistributedOptimizer(momentum(), algorithms.LayerWise())
        for loss in ("mse", "mae"):
            model.compile(optimizer=wrapped, loss=loss, steps_per_execution=steps_per_execution)
            frozen = model.layers[0].kernel.numpy()
            model.fit(*data(rank), batch_size=BATCH, epochs=2, shuffle=False, verbose=0, callbacks=[callback])
            assert np.array_equal(frozen, model.layers[0].kernel.numpy()) == (not model.layers[0].trainable)
            model.layers[0].trainable = False
        trained.append(weights(model))
    assert np.array_equal(*trained)


@pytest.mark.parametrize("built", [True, False], ids=["built", "unbuilt"])
@pytest.mark.parametrize("algorithm", [algorithms.Synchronous(), algorithms.BackupWorkers(spares=0)], ids=str)
def test_what_is_not_trained_is_rank_0s_too(algorithm: algorithms.Algorithm, built: bool, rank: int) -> None:
    keras.utils.set_random_seed(3 + rank)
    x, y = data(rank)
    adapted, frozen, dropout = keras.layers.Normalization(), keras.layers.Dense(7), keras.layers.Dropout(0.5)
    adapted.adapt(x + rank)
    frozen.trainable = False
    layers = [adapted, frozen, dropout, keras.layers.Dense(1)]
    model = keras.Sequential([*([keras.Input((6,))] if built else []), *layers])
    model.compile(optimizer=DistributedOptimizer(momentum(), algorithm), loss="mse")
    model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=[TrainingCallback()])
    held = [*adapted.weights[:2], *frozen.weights, *model.trainable_variables]
    same = [*(variable.numpy() for variable in held), model.predict(data(0)[0], verbose=0)]
    require_equal(np.concatenate([value.ravel() for value in same]), f"untrained.{algorithm}.{built}")
    seeds = hvd.allgather(
        tf.constant(dropout.seed_generator.state.numpy().astype(np.int64)[None]), name="seeds"
    ).numpy()
    assert not np.array_equal(*seeds)  # ranks drop different units
    frozen.kernel.assign_add(np.full((6, 7), rank))
    own = frozen.kernel.numpy()
    model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=[TrainingCallback()])
    assert np.array_equal(frozen.kernel.numpy(), own)  # once, or statistics of batch normalisation would be lost


def by_train_on_batch(model: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    for step in range(STEPS):
        model.train_on_batch(x[step * BATCH : (step + 1) * BATCH], y[step * BATCH : (step + 1) * BATCH])


def by_tape(model: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    @tf.function
    def train(x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
        pairs = zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        model.optimizer.apply_gradients(pairs)

    for step in range(STEPS):
        train(x[step * BATCH : (step + 1) * BATCH], y[step * BATCH : (step + 1) * BATCH])


def by_eager_steps(model: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    model.run_eagerly = True
    if not model.built:
        model(x[:1])  # an eager first gradient is taken before anything can be broadcast
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[TrainingCallback()])


def by_keras_loop(model: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    model.steps_per_execution = 4
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)


@pytest.mark.parametrize("built", [True, False], ids=["built", "unbuilt"])
@pytest.mark.parametrize(
    "way", [by_train_on_batch, by_tape, by_eager_steps, by_keras_loop], ids=lambda way: way.__name__
)
def test_every_way_of_training_is_the_same(way: Callable[..., None], built: bool, rank: int) -> None:
    if way is by_tape and not built:
        built = True  # a tape needs the variables before the model has any
    model = net(seed=3 + rank, built=built)
    model.compile(optimizer=DistributedOptimizer(momentum(), algorithms.LayerWise()), loss="mse")
    way(model, *data(rank))
    expected = alone(momentum, epochs=1)
    if built:
        close(weights(model), expected)  # unbuilt models draw their weights elsewhere
    require_equal(weights(model), "way")
    assert model.optimizer.telemetry().steps == STEPS


OPTIMIZERS: dict[str, Make] = {
    "nesterov": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.01, epsilon=1e-3),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.01, epsilon=1e-3),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True, epsilon=1e-3),
    "nadam": lambda: keras.optimizers.Nadam(0.01, epsilon=1e-3),
    "schedule": lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 15), momentum=0.9),
    "clipnorm": lambda: keras.optimizers.SGD(0.05, momentum=0.9, clipnorm=0.05),
    "global_clipnorm": lambda: keras.optimizers.SGD(0.05, momentum=0.9, global_clipnorm=0.1),
    "clipvalue": lambda: keras.optimizers.SGD(0.05, clipvalue=0.01),
    "ema": lambda: keras.optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_momentum=0.5),
    "accumulation": lambda: keras.optimizers.SGD(0.05, momentum=0.9, gradient_accumulation_steps=2),
    "scale_factor": lambda: keras.optimizers.SGD(0.05, momentum=0.9, loss_scale_factor=64.0),
    "loss_scale": lambda: keras.optimizers.LossScaleOptimizer(momentum(), initial_scale=8.0, dynamic_growth_steps=4),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_any_keras_optimizer_does_its_own_update(name: str, rank: int) -> None:
    model = net(seed=3 + rank)
    model.compile(optimizer=DistributedOptimizer(OPTIMIZERS[name](), algorithms.LayerWise()), loss="mse")
    model.fit(*data(rank), batch_size=BATCH, epochs=2, shuffle=False, verbose=0)
    close(weights(model), alone(OPTIMIZERS[name]))
    require_equal(weights(model), f"optimizer.{name}")


def test_eager_ranks_that_start_apart_are_told(rank: int) -> None:
    x, y = data(rank)
    apart, alike = net(seed=3 + rank), net(seed=3)
    for model in (apart, alike):
        model.compile(
            optimizer=DistributedOptimizer(momentum(), algorithms.Synchronous()), loss="mse", run_eagerly=True
        )
    with pytest.raises(ValueError, match=r"optimizer.start\(model.trainable_variables\)"):
        apart.train_on_batch(x[:BATCH], y[:BATCH])
    alike.train_on_batch(x[:BATCH], y[:BATCH])
    require_equal(weights(alike), "eager")


def test_learning_rate_is_the_users(rank: int) -> None:
    model = net(seed=3 + rank)
    wrapped = DistributedOptimizer(momentum(), algorithms.Synchronous())
    model.compile(optimizer=wrapped, loss="mse")
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    model.fit(*data(rank), batch_size=BATCH, epochs=3, verbose=0, callbacks=[halve])
    assert float(wrapped.learning_rate) == float(wrapped.inner_optimizer.learning_rate) == pytest.approx(0.05 / 8)
    assert int(wrapped.iterations.numpy()) == 3 * STEPS


@pytest.mark.parametrize(
    "algorithm", [algorithms.Synchronous(), algorithms.LayerWise(), algorithms.Delayed(steps=1)], ids=repr
)
def test_clip_norm_clips_the_average(algorithm: Algorithm, rank: int) -> None:
    ended = []
    for clip_norm, inner in ((None, {"global_clipnorm": 0.01}), (0.01, {}), (None, {})):
        model = net(seed=3 + rank)
        wrapped = DistributedOptimizer(keras.optimizers.SGD(0.05, **inner), algorithm, clip_norm=clip_norm)
        model.compile(optimizer=wrapped, loss="mse")
        model.fit(*data(rank), batch_size=BATCH, epochs=1, verbose=0, shuffle=False)
        wrapped.finish()
        require_equal(weights(model), f"clipped.{algorithm}.{clip_norm}.{bool(inner)}")
        ended.append(weights(model))
    assert np.array_equal(ended[0], ended[1])
    assert not np.allclose(ended[0], ended[2])


def test_clip_norm_is_refused_where_it_would_mean_something_else(rank: int) -> None:
    with pytest.raises(ValueError, match=r"local_sgd never averages gradients; .* global_clipnorm=1\.0"):
        DistributedOptimizer(keras.optimizers.SGD(0.05), algorithms.LocalSGD(), clip_norm=1.0)
    with pytest.raises(ValueError, match="has clipvalue already; use one of them"):
        DistributedOptimizer(keras.optimizers.SGD(0.05, clipvalue=1.0), algorithms.Synchronous(), clip_norm=1.0)


def test_frozen_missing_and_sparse_gradients(rank: int) -> None:
    keras.utils.set_random_seed(3 + rank)
    inputs = keras.Input((4,), dtype="int32")
    embedded = keras.layers.Embedding(10, 3)(inputs)
    frozen = keras.layers.Dense(4, name="frozen")
    frozen.trainable = False
    outputs = keras.layers.Dense(1)(frozen(keras.layers.Flatten()(embedded)))
    model = keras.Model(inputs, outputs)
    spare = keras.Variable(np.zeros(3, np.float32) + rank, name="spare")
    before = frozen.kernel.numpy()
    held = [*model.trainable_variables, spare]

    def trainer(wrapped: DistributedOptimizer) -> Callable[[np.ndarray], None]:
        def train(tokens: tf.Tensor) -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(tokens) - 1.0))
            wrapped.apply(tape.gradient(loss, held), held)

        return tf.function(train)

    for algorithm in (algorithms.LayerWise(), algorithms.Delayed(steps=1), algorithms.BackupWorkers(spares=0)):
        wrapped = DistributedOptimizer(momentum(), algorithm)
        train = trainer(wrapped)
        draw = np.random.default_rng(rank)
        for _ in range(5):
            train(draw.integers(0, 10, (6, 4), dtype=np.int32))
        wrapped.finish()
        require_equal(weights(model), f"sparse.{algorithm}")
        assert not spare.numpy().any()  # rank 0's, and never updated
    assert np.array_equal(frozen.kernel.numpy(), before)


def test_half_precision_scales_inside(rank: int) -> None:
    keras.utils.set_random_seed(3 + rank)
    policy = keras.DTypePolicy("mixed_float16")
    layers = [keras.layers.Dense(7, activation="tanh", dtype=policy), keras.layers.Dense(1, dtype="float32")]
    model = keras.Sequential([keras.Input((6,)), *layers])
    scaled = keras.optimizers.LossScaleOptimizer(momentum(), initial_scale=2.0**40)  # overflows until it is halved
    wrapped = DistributedOptimizer(scaled, algorithms.LayerWise())
    model.compile(optimizer=wrapped, loss="mse", auto_scale_loss=False)
    model.fit(*data(rank), batch_size=BATCH, epochs=6, verbose=0)
    require_equal(weights(model), "half")
    assert float(scaled.dynamic_scale.numpy()) < 2.0**40
    assert np.isfinite(weights(model)).all()
    with pytest.raises(ValueError, match="loss scale belongs inside"):
        keras.optimizers.LossScaleOptimizer(DistributedOptimizer(momentum(), algorithms.Synchronous()))


RESUMED = [
    algorithms.Synchronous(),
    algorithms.Delayed(steps=2, compensation=0.25),
    algorithms.ElasticAveraging(period=3, momentum=0.5),
    algorithms.LocalSGD(period=4),
    algorithms.BackupWorkers(spares=0, averaging=0.5),
    algorithms.DiLoCo(period=3),
]


@pytest.mark.parametrize("algorithm", RESUMED, ids=str)
def test_a_saved_model_goes_on_as_if_nothing_had_happened(
    algorithm: algorithms.Algorithm, rank: int, tmp_path: Path
) -> None:
    def fit(model: keras.Model) -> None:
        model.fit(*data(rank), batch_size=BATCH, shuffle=False, verbose=0)

    def make() -> keras.optimizers.Optimizer:
        return keras.optimizers.AdamW(0.01, epsilon=1e-3) if algorithm.name == "local_sgd" else momentum()

    unbroken = net(seed=3 + rank)
    unbroken.compile(optimizer=DistributedOptimizer(make(), algorithm), loss="mse")
    fit(unbroken)
    unbroken.save(tmp_path / "model.keras")
    fit(unbroken)
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(resumed.optimizer, DistributedOptimizer)
    assert resumed.optimizer.algorithm == algorithm
    fit(resumed)
    for model in (unbroken, resumed):
        model.optimizer.finish()
    assert np.array_equal(weights(unbroken), weights(resumed))
    seen = []
    for model in (unbroken, resumed):
        with model.optimizer.evaluation():
            seen.append(weights(model))
    assert np.array_equal(*seen)


def test_evaluation_looks_at_the_centre_and_puts_back(rank: int) -> None:
    model = net(seed=3 + rank)
    wrapped = DistributedOptimizer(momentum(), algorithms.ElasticAveraging(period=3))
    model.compile(optimizer=wrapped, loss="mse")
    with wrapped.evaluation():
        pass  # before anything was built
    model.fit(*data(rank), batch_size=BATCH, verbose=0, callbacks=[TrainingCallback()])
    own = weights(model)
    with pytest.raises(RuntimeError), wrapped.evaluation():
        require_equal(weights(model), "centre")
        assert not np.array_equal(weights(model), own)
        raise RuntimeError("evaluation failed")
    assert np.array_equal(weights(model), own)
