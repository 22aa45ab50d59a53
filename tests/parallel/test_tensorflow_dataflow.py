"""What waits for what in a traced step: the graph itself is asked, so no clock can blur the answer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import horovod.tensorflow as hvd
import keras
import pytest
import tensorflow as tf

import algorithms
from algorithms.mechanisms.plan import Piece, Route
from algorithms.tensorflow import DistributedOptimizer

pytestmark = pytest.mark.ranks(2)

LAYERS = 4


@pytest.fixture(autouse=True, scope="module")
def _horovod() -> None:
    hvd.init()


class Traced:
    """Two steps of a chain of layers, unrolled into one function that has run once."""

    def __init__(
        self, algorithm: algorithms.Algorithm, inner: keras.optimizers.Optimizer, route: Route | None = None
    ) -> None:
        layers = [keras.layers.Dense(3, use_bias=False, name=f"layer{i}") for i in range(LAYERS)]
        self.model = keras.Sequential([keras.Input((3,)), *layers])
        self.wrapped = DistributedOptimizer(inner, algorithm)
        self.wrapped.driver.route = route
        variables = self.model.trainable_variables

        def two_steps(x: tf.Tensor) -> None:
            for _ in range(2):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_sum(tf.square(self.model(x)))
                self.wrapped.apply(tape.gradient(loss, variables), variables)

        function = tf.function(two_steps)
        function(tf.ones((2, 3)))
        self.graph = function.get_concrete_function(tf.ones((2, 3))).graph
        inputs = {id(outer): inner for outer, inner in self.graph.captures}
        self.handles = [inputs[id(variable.value.handle)] for variable in variables]

    def reductions(self, step: int) -> list[tf.Operation]:
        """Of each variable, in the variables' order."""
        found = [op for op in self.graph.get_operations() if op.type == "HorovodAllreduce"]
        prefix = f"{self.wrapped.driver.names.prefix}.{step}."
        mine = [op for op in found if op.name.split("/")[-1].startswith(prefix)]
        return sorted(mine, key=lambda op: op.name.split("/")[-1])

    def writes(self, variable: int) -> list[tf.Operation]:
        """Operations that change a variable, in the order of the trace."""
        kinds = ("Assign", "ResourceApply")
        return [
            op
            for op in self.graph.get_operations()
            if any(kind in op.type for kind in kinds) and any(i is self.handles[variable] for i in op.inputs)
        ]

    def reads(self, variable: int) -> list[tf.Operation]:
        return [
            op
            for op in self.graph.get_operations()
            if op.type == "ReadVariableOp" and op.inputs[0] is self.handles[variable]
        ]

    @staticmethod
    def awaited_by(op: tf.Operation) -> set[tf.Operation]:
        """Everything that must have run before."""
        seen: set[tf.Operation] = set()
        waiting = [op]
        while waiting:
            for before in _directly_before(waiting.pop()):
                if before not in seen:
                    seen.add(before)
                    waiting.append(before)
        return seen


def _directly_before(op: tf.Operation) -> Iterator[tf.Operation]:
    yield from (tensor.op for tensor in op.inputs)
    yield from op.control_inputs


def sgd() -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(0.01, momentum=0.9)


@pytest.mark.parametrize(
    "inner",
    [sgd(), keras.optimizers.AdamW(0.01, clipnorm=1.0), keras.optimizers.RMSprop(0.01, centered=True)],
    ids=lambda inner: inner.name,
)
def test_a_layer_waits_for_its_own_reduction_only(inner: keras.optimizers.Optimizer, ranks: int) -> None:
    traced = Traced(algorithms.LayerWise(), inner)
    first = traced.reductions(0)
    assert len(first) == LAYERS == len(traced.reductions(1))
    for variable in range(LAYERS):
        update = traced.writes(variable)[0 if inner.weight_decay is None else 1]  # decay does not look at gradients
        assert traced.awaited_by(update) & set(first) == {first[variable]}


def test_the_next_forward_goes_on_layer_by_layer(ranks: int) -> None:
    traced = Traced(algorithms.LayerWise(), sgd())
    first = traced.reductions(0)
    for variable in range(LAYERS):
        update = traced.writes(variable)[0]
        after = [op for op in traced.reads(variable) if update in traced.awaited_by(op)]
        assert after, "the second step reads what the first has written"
        for read in after:
            assert traced.awaited_by(read) & set(first) == {first[variable]}
    # The second step's forward through layer 0 and 1 needs these two only, whatever is still under way for the others.
    products = [op for op in traced.graph.get_operations() if op.type == "MatMul" and "layer1" in op.name]
    second = [op for op in products if traced.writes(1)[0] in traced.awaited_by(op)]
    assert traced.awaited_by(second[0]) & set(first) == {first[0], first[1]}


@pytest.mark.parametrize(
    "algorithm", [algorithms.Synchronous(), algorithms.StockHorovod(), algorithms.LayerWise(order="all")], ids=str
)
def test_updates_wait_for_all_reductions_where_the_algorithm_does(algorithm: algorithms.Algorithm, ranks: int) -> None:
    traced = Traced(algorithm, sgd())
    first = set(traced.reductions(0))
    for variable in range(LAYERS):
        assert traced.awaited_by(traced.writes(variable)[0]) & first == first


def test_layers_are_updated_from_the_last_to_the_first(ranks: int) -> None:
    traced = Traced(algorithms.LayerWise(order="backward"), sgd())
    first = traced.reductions(0)
    for variable in range(LAYERS):
        assert traced.awaited_by(traced.writes(variable)[0]) & set(first) == set(first[variable:])


def test_delayed_reductions_depend_on_nothing_in_their_step(ranks: int) -> None:
    traced = Traced(algorithms.Delayed(steps=1), sgd())
    for reduction in traced.reductions(0):
        before = {op.type for op in traced.awaited_by(reduction)}
        assert "MatMul" not in before and "HorovodAllreduce" not in before
    for number, reduction in enumerate(traced.reductions(1)):
        assert not traced.awaited_by(reduction) & set(traced.reductions(0)), number


def test_a_step_that_is_delayed_sends_behind_the_one_before(ranks: int) -> None:
    """It could send as soon as backward has begun, and would take the wire from those that the next step waits for."""
    backward = tuple(Piece(layer, 0, 9) for layer in reversed(range(LAYERS)))
    traced = Traced(algorithms.Delayed(steps=1), sgd(), Route.singly(backward, window=18))
    first, second = traced.reductions(0), traced.reductions(1)
    # The wire holds two, and each waits for the last but one before it.
    assert traced.awaited_by(second[3]) & set(first) == {first[1], first[3]}
    assert traced.awaited_by(second[2]) & set(first) == {first[0], first[2]}
    assert not any("MatMul" in op.type for op in traced.awaited_by(first[0]))


def test_every_reduction_is_consumed_by_something_that_always_runs(ranks: int) -> None:
    for algorithm in (algorithms.LayerWise(), algorithms.Delayed(steps=1), algorithms.Synchronous()):
        traced = Traced(algorithm, sgd())
        stateful = [op for op in traced.graph.get_operations() if "Assign" in op.type]
        needed = set().union(*(traced.awaited_by(op) for op in stateful))
        assert set(traced.reductions(0)) | set(traced.reductions(1)) <= needed


@pytest.mark.parametrize("algorithm", [algorithms.LayerWise(), algorithms.Synchronous(overlap=True)], ids=str)
def test_a_name_is_used_again_when_what_had_it_has_landed(algorithm: algorithms.Algorithm, ranks: int) -> None:
    """Where a gradient depends on no parameter, as that of a critic's last bias, nothing else orders its exchanges."""
    held = [keras.Variable([1.0, 2.0])]
    wrapped = DistributedOptimizer(keras.optimizers.SGD(0.125), algorithm, weighted=True)

    @tf.function
    def five_steps() -> None:
        for _ in range(5):
            wrapped.weigh(3)
            wrapped.apply([tf.ones(2)], held)

    five_steps()
    named: dict[str, list[tf.Operation]] = {}
    for op in five_steps.get_concrete_function().graph.get_operations():
        if op.type in ("HorovodAllreduce", "HorovodAllgather"):
            named.setdefault(op.name.split("/")[-1], []).append(op)
    assert sorted(map(len, named.values())) == [2, 2, 3, 3]  # two names for gradients, two for weights
    for same in named.values():
        assert all(before in Traced.awaited_by(after) for before, after in pairwise(same))
    assert held[0].numpy().tolist() == [1.0 - 5 / 8, 2.0 - 5 / 8]


class Indifferent(keras.optimizers.SGD):
    def update_step(self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        """Use the gradient in a way that TensorFlow can do without."""
        variable.assign_sub(gradient * 0.0)


def test_no_exchange_is_left_out_where_its_input_or_its_use_is_constant(rank: int, ranks: int) -> None:
    """Rank 0 has constants, the same for both variables, and rank 1 has no use for the averages: both must exchange."""
    held = [keras.Variable([1.0, 2.0]), keras.Variable([3.0, 4.0])]
    inner = (keras.optimizers.SGD(0.5), Indifferent(0.5))[rank]
    Indifferent.__name__ = "SGD"  # ranks compare the classes of what they have wrapped
    wrapped = DistributedOptimizer(inner, algorithms.LayerWise(), check_agreement=False)

    @tf.function
    def train(step: tf.Tensor) -> None:
        constant = tf.ones(2)
        wrapped.apply([constant, constant] if rank == 0 else [tf.fill([2], step), tf.fill([2], -step)], held)

    for step in range(4):
        train(tf.constant(float(step)))
    if rank == 0:
        assert held[0].numpy().tolist() == [1.0 - 0.25 * (4 + 6), 2.0 - 0.25 * (4 + 6)]
        assert held[1].numpy().tolist() == [3.0 - 0.25 * (4 - 6), 4.0 - 0.25 * (4 - 6)]
    else:
        assert held[0].numpy().tolist() == [1.0, 2.0]
