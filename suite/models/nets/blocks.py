"""What several families are put together from."""

from suite.models.layers import BatchNorm, Conv, Pair, Relu
from suite.models.structure import Chain


def conv_norm(
    name: str,
    channels: int,
    kernel: Pair,
    stride: int = 1,
    padding: Pair = 0,
    *,
    epsilon: float = 1e-5,
    relu: bool = True,
) -> Chain:
    """Convolution without bias, batch normalisation, and mostly a ReLU."""
    conv = Conv("conv", channels, kernel, stride, padding, bias=False)
    return Chain(name, (conv, BatchNorm("norm", epsilon), *((Relu(),) if relu else ())))
