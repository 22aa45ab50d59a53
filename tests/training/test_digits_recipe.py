"""The documented recipe: real digits to 98 % test accuracy with plain synchronous SGD, in both frameworks."""

import pytest

from suite.data import open_data
from suite.models import describe
from suite.training import Plan, train
from suite.training.recipes import DIGITS
from tests.training.sessions import FRAMEWORKS, model, session


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_digits_reach_98_percent(framework: str) -> None:
    net = describe(DIGITS.model, image=8, channels=1, width=DIGITS.width)
    source, test = (
        open_data(DIGITS.data, split=split, batch_size=DIGITS.batch_size, rank=0, size=1, seed=0)
        for split in ("train", "test")
    )
    plan = Plan(
        steps=DIGITS.epochs * source.steps_per_epoch,
        evaluate_every=source.total_samples,
        targets=(0.5, 0.9, DIGITS.target),
        stop_at_targets=True,
    )
    one = session(framework, model(framework, net), rate=DIGITS.learning_rate, momentum=DIGITS.momentum)
    result = train(one, source, plan, test=test)
    print(*result.outcomes, sep="\n")
    assert result.verdict == "reached every target"
    assert result.evaluations[-1].evaluation.samples == 360
    steps = [outcome.at.step for outcome in result.outcomes if outcome.at is not None]
    assert steps == sorted(steps) and len(steps) == 3
    losses = [loss for call in result.calls for loss in call.losses]
    assert losses[0] == pytest.approx(2.3, abs=0.2) and min(loss for loss in losses if loss is not None) < 0.1
