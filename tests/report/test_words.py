"""What a reader sees instead of options."""

from __future__ import annotations

import pytest

from suite.report import words
from suite.report.landing.number import Number
from suite.statistics import mean
from tests.report import scripted, worlds


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("AlexNet", "AlexNet"),
        ("tiny-cnn(image=8)", "tiny-cnn at 8 × 8"),
        ("lenet(image=28, width=0.25)", "lenet at 28 × 28, 1/4 of its width"),
        ("alexnet(image=28, width=0.0625, dropout=0)", "AlexNet at 28 × 28, 1/16 of its width, without dropout"),
        ("alexnet(image=28, dropout=0.3)", "alexnet(image=28, dropout=0.3)"),
        ("lenet(depth=3)", "lenet(depth=3)"),
    ],
)
def test_a_net_is_named_in_words(label: str, said: str) -> None:
    assert words.net("", label) == said


def test_no_accuracy_is_said_to_be_above_all() -> None:
    arm = worlds.studied(*scripted.records("quick")).experiments[0].groups[0].arms[0]
    number = Number("final accuracy", arm, mean([0.97, 0.99, 1.0]))
    assert number.interval.high > 1.0
    assert number.text == "98.7% [94.9%, 100.0%]"
    assert Number("× synchronous", arm, mean([0.97, 0.99, 1.0])).text == "0.99 [0.95, 1.02]"
