"""Every net trains and is evaluated as `farandole train --model X` asks for it, on data of the kind that it takes."""

from __future__ import annotations

import importlib
import math

import pytest

from suite import models
from suite.cli.errors import BadInputError
from suite.cli.specify import Wanted, specification
from suite.data import Source
from suite.experiment.live import Live
from suite.rank.side import Place
from suite.rank.sources import open_source
from suite.training import Plan, train

SMALL = {
    "lenet": {"image": 8},
    "tiny-cnn": {"image": 8},
    "cifarnet": {"width": 0.1},
    # Narrower ones corrupt the heap in TensorFlow 2.21 (oneDNN, two threads, 3 channels).
    "inception-v3": {"image": 75, "width": 0.125},
    "resnet-50": {"image": 32, "width": 0.125},
    "pixelcnn": {"image": 6, "width": 0.05, "classes": 16, "model_options": ["blocks=1"]},
    "gpt-small": {"width": 0.1, "model_options": ["length=12", "layers=1"]},
    "vit": {"image": 16, "width": 0.1, "model_options": ["layers=1"]},
}


def wanted(name: str, framework: str = "torch", **more):
    chosen = SMALL.get(name, {"image": 32, "width": 0.05})
    return Wanted(framework=framework, model=name, algorithm="bare", batch_size=3, **(chosen | more))


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("name", models.NAMES)
def test_two_steps_and_an_evaluation(name: str, framework: str) -> None:
    chosen = specification(wanted(name, framework, steps=2, warmup=0), 1)
    side = importlib.import_module(f"suite.rank.{framework}_side")
    built = side.build(Live(chosen), Place(0, 1, 0, lambda mine: [mine]))
    limited = chosen.model_copy(update={"evaluate_samples": 4})
    source, test = open_source(chosen, "train", 0, 1), open_source(limited, "test", 0, 1)
    # All nets that answer with classes are evaluated alike, and tracing the large ones once more takes seconds.
    evaluated = name in ("tiny-cnn", "pixelcnn", "gpt-small")
    result = train(built.session, source, Plan(steps=2), test=test if evaluated else None)
    losses = [loss for call in result.calls for loss in call.losses]
    assert len(losses) == 2
    assert all(loss is not None and math.isfinite(loss) for loss in losses)
    assert [one.evaluation.samples for one in result.evaluations] == [4 * answers(source)] * evaluated


def answers(source: Source) -> int:
    """Predictions about one sample."""
    images, labels = next(iter(source.batches(0)))
    return labels.size // len(images)


def test_a_net_that_answers_for_every_place_gets_such_data() -> None:
    tokens = specification(wanted("gpt-small"), 1)
    assert (tokens.data.name, tokens.model.image) == ("tokens", None)
    assert answers(open_source(tokens, "train", 0, 1)) == 12
    pixels = specification(wanted("pixelcnn"), 1)
    assert pixels.data.name == "synthetic"
    assert answers(open_source(pixels, "train", 0, 1)) == 6 * 6 * 3
    digits = specification(wanted("pixelcnn", data="digits", image=8), 1)
    assert digits.model.classes == 16
    assert answers(open_source(digits, "train", 0, 1)) == 8 * 8 * 3


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("gpt-small", "digits", "data set 'digits' is not what gpt-small takes; it takes 'tokens'"),
        ("lenet", "tokens", "data set 'tokens' is not what lenet takes; it takes images: 'synthetic', 'digits'"),
    ],
)
def test_data_of_another_kind_are_refused(name: str, data: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        specification(wanted(name, data=data), 1)
