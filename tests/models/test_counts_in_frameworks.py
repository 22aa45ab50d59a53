"""Parameters, operations, gradients and activations of the description against what the frameworks count."""

import math

import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from suite.models import describe, keras_builder, torch_builder
from suite.models.layers_tokens import Attention
from tests.models.variants import NORMALISED, PLAIN, batch_for, to_torch

ALL = [*PLAIN, *NORMALISED]


@pytest.mark.parametrize(("name", "options"), ALL)
def test_in_torch(name, options):
    net = describe(name, **options)
    model = torch_builder.build(net, 0)
    assert [(key, tuple(value.shape)) for key, value in model.named_parameters()] == [
        (parameter.name, parameter.shape) for parameter in net.parameters
    ]
    outputs: dict[str, int] = {}
    for placed in net.layers:
        hook = lambda module, inputs, output, path=placed.path: outputs.__setitem__(path, output[0].numel())  # noqa: E731
        model.get_submodule(placed.path).register_forward_hook(hook)
    order: list[str] = []
    for key, value in model.named_parameters():
        value.register_post_accumulate_grad_hook(lambda tensor, key=key: order.append(key))
    # The counter knows the products of attention, not the fused operation that holds them.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        answer = model(to_torch(net, batch_for(net, samples=2)))
    assert counter.get_total_flops() == 2 * net.flops
    assert sum(outputs.values()) * 4 == net.activation_bytes
    answers = answer if isinstance(answer, tuple) else (answer,)
    sum(one.sum() for one in answers).backward()
    layers = {parameter.name: parameter.layer for parameter in net.parameters}
    sizes = [
        sum(4 * p.size for p in net.parameters if p.layer == path) for path in dict.fromkeys(layers[k] for k in order)
    ]
    expected = {}
    for parameter, size in zip(reversed(net.parameters), net.gradient_sizes, strict=True):
        expected[parameter.layer] = expected.get(parameter.layer, 0) + size
    assert list(dict.fromkeys(layers[key] for key in order)) == list(expected)
    assert sizes == list(expected.values())


@pytest.mark.parametrize(("name", "options"), ALL)
def test_in_keras(name, options):
    net = describe(name, **options)
    model = keras_builder.build(net, 0)
    variables = keras_builder.variables(net, model)
    assert sum(math.prod(variable.shape) for variable in model.trainable_variables) == net.parameter_count
    assert {id(variable) for variable, _ in variables.values()} == {
        id(variable) for variable in model.trainable_variables
    }
    for parameter in net.parameters:
        variable, axes = variables[parameter.name]
        assert tuple(variable.shape) == tuple(parameter.shape[axis] for axis in axes)
    outputs = sum(4 * math.prod(model.get_layer(placed.path).output.shape[1:]) for placed in net.layers)
    assert outputs == net.activation_bytes


PRODUCTS = ("Conv2D", "MatMul")  # the counter knows no batched products: those of attention


@pytest.mark.parametrize(
    ("name", "options"), [*PLAIN[:6], PLAIN[7], PLAIN[9], PLAIN[12], PLAIN[13], *PLAIN[15:], NORMALISED[1]]
)
def test_operations_in_tensorflow(name, options):
    """TensorFlow's own counter, for one sample, over the graph of the forward pass."""
    net = describe(name, **options)
    model = keras_builder.build(net, 0)
    x = batch_for(net, samples=1)
    graph = convert_variables_to_constants_v2(
        tf.function(model).get_concrete_function(tf.TensorSpec(x.shape, x.dtype)), lower_control_flow=False
    ).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    total = tf.compat.v1.profiler.profile(graph, cmd="op", options=options)
    counted = {child.name: child.float_ops for child in _children(total)}
    batched = sum(4 * one.input[0] ** 2 * one.input[1] for one in net.layers if isinstance(one.layer, Attention))
    assert sum(counted.get(kind, 0) for kind in PRODUCTS) == net.flops - batched


def _children(node):
    for child in node.children:
        yield child
        yield from _children(child)
