"""The description of GoogLeNet against the layer table of its paper (Szegedy et al. 2014, Table 1)."""

import pytest

from suite.models import describe

# Rows of the table: side and channels of the output, weights in K (1024) and multiply-adds in M (million) as printed.
TABLE = {
    "conv1": ((112, 64), 2.7, 34),
    "conv2": ((56, 192), 112, 360),  # with its 1x1 reduction
    "inception3a": ((28, 256), 159, 128),
    "inception3b": ((28, 480), 380, 304),
    "inception4a": ((14, 512), 364, 73),
    "inception4b": ((14, 512), 437, 88),
    "inception4c": ((14, 512), 463, 100),
    "inception4d": ((14, 528), 580, 119),
    "inception4e": ((14, 832), 840, 170),
    "inception5a": ((7, 832), 1072, 54),
    "inception5b": ((7, 1024), 1388, 71),
    "classifier": ((1, 1000), 1000, 1),
}
# Printed figures that do not follow from the printed channels. conv1: 2.7 K and 34 M are a separable convolution
# (7*7*3*8 + 24*64 = 2712 weights), where the text and every public version have a full one. 4c: the multiply-adds
# are right, so the weights are a slip. 5a: both are 5 % more than its row's channels give.
WEIGHTS_NOT_FROM_CHANNELS = {"conv1": 9408, "inception4c": 509_440, "inception5a": 1_042_432}
OPERATIONS_NOT_FROM_CHANNELS = {"conv1": 118.0, "inception5a": 51.1}


def row_of(path: str) -> str:
    first = path.split(".")[0]
    return "conv2" if first == "reduce2" else first


@pytest.fixture(scope="module")
def net():
    return describe("googlenet")


@pytest.mark.parametrize("row", TABLE)
def test_weights(net, row):
    weights = sum(one.size for one in net.parameters if row_of(one.layer) == row and one.weight.name == "weight")
    if row in WEIGHTS_NOT_FROM_CHANNELS:
        assert weights == WEIGHTS_NOT_FROM_CHANNELS[row]
    else:
        assert weights / 1024 == pytest.approx(TABLE[row][1], rel=0.02)


@pytest.mark.parametrize("row", TABLE)
def test_multiply_adds(net, row):
    millions = sum(one.layer.flops(one.input) for one in net.layers if row_of(one.path) == row) / 2e6
    expected = OPERATIONS_NOT_FROM_CHANNELS.get(row, TABLE[row][2])
    assert millions == pytest.approx(expected, rel=0.03 if row == "classifier" else 0.01)


@pytest.mark.parametrize("row", TABLE)
def test_output(net, row):
    last = [one.output for one in net.layers if row_of(one.path) == row]
    side = last[-1][0] if len(last[-1]) == 3 else 1
    channels = last[-1][-1]
    if row.startswith("inception"):  # its outputs are concatenated: those of the four branches' last convolutions
        ends = ("one.conv", "three.conv", "five.conv", "pool.projection")
        channels = sum(one.output[-1] for one in net.layers if one.path in {f"{row}.{end}" for end in ends})
    assert (side, channels) == TABLE[row][0]


def test_auxiliary_heads():
    """4x4x512 and 4x4x528 after the pool, 128 filters, 1024 units, 1000 classes: section 5 of the paper."""
    with_heads, without = describe("googlenet", auxiliary=True), describe("googlenet")
    hidden = 4 * 4 * 128 * 1024 + 1024 + 1024 * 1000 + 1000
    expected = sum(channels * 128 + 128 + hidden for channels in (512, 528))
    assert with_heads.parameter_count - without.parameter_count == expected
    assert with_heads.head_weights == (1.0, 0.3, 0.3)
    assert without.head_weights == (1.0,)
