"""Learning-rate rules against their formulas."""

import pytest

from suite.training import LEARNING_RATES, parse_learning_rate


def rates(name: str, at: list[int], /, **options: object) -> list[float]:
    rule = parse_learning_rate(name, 0.8, options)
    return [rule.at(step) for step in at]


def test_constant_never_moves() -> None:
    assert rates("constant", [0, 1, 10**9]) == [0.8] * 3


def test_step_falls_at_every_multiple_and_stays_between() -> None:
    assert rates("step", [0, 99, 100, 199, 200], every=100, factor=0.5) == [0.8, 0.8, 0.4, 0.4, 0.2]
    assert rates("step", [100], every=100) == pytest.approx([0.08])


def test_milestones_multiply_from_their_steps_on() -> None:
    found = rates("milestones", [0, 9, 10, 29, 30, 99], steps=[10, 30], factors=[1 / 5, 1 / 2])
    assert found == pytest.approx([0.8, 0.8, 0.16, 0.16, 0.08, 0.08])


def test_exponential_is_smooth_and_meets_its_factor() -> None:
    found = rates("exponential", [0, 25, 50, 100], every=50, factor=0.25)
    assert found == pytest.approx([0.8, 0.4, 0.2, 0.05])


def test_linear_holds_then_falls_to_its_end_and_stays() -> None:
    assert rates("linear", [0, 10, 15, 20, 30], begin=10, end=20) == pytest.approx([0.8, 0.8, 0.4, 0.0, 0.0])
    assert rates("linear", [20], begin=10, end=20, final=0.1) == pytest.approx([0.1])


def test_warmup_grows_into_another_rule_without_a_jump() -> None:
    found = rates("warmup", [0, 5, 10, 11], steps=10, start=0.5)
    assert found == pytest.approx([0.4, 0.6, 0.8, 0.8])
    into_step = rates("warmup", [0, 3, 4, 6], steps=4, start=0.0, then="step", every=6, factor=0.1)
    assert into_step == pytest.approx([0.0, 0.6, 0.8, 0.08])


def test_every_listed_rule_can_be_chosen() -> None:
    options: dict[str, dict[str, object]] = {
        "constant": {},
        "step": {"every": 3},
        "milestones": {"steps": [1], "factors": [0.5]},
        "exponential": {"every": 3, "factor": 0.9},
        "linear": {"begin": 1, "end": 2},
        "warmup": {"steps": 3},
    }
    assert set(options) == set(LEARNING_RATES)
    for name, given in options.items():
        assert parse_learning_rate(name, 0.1, given).at(10) >= 0


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("cosine", {}, "unknown learning-rate rule 'cosine'; known: constant"),
        ("expoential", {}, r"did you mean 'exponential'\?"),
        ("step", {}, "option every"),
        ("step", {"every": 0}, "option every = 0: input should be greater than or equal to 1"),
        ("step", {"evry": 3}, r"no option 'evry' \(did you mean 'every'\?\)"),
        ("step", {"every": 3, "rate": 0.1}, "the rate is the optimizer's learning rate"),
        ("milestones", {"steps": [5, 3], "factors": [0.1, 0.1]}, "must ascend"),
        ("milestones", {"steps": [5], "factors": []}, "one factor each"),
        ("linear", {"begin": 5, "end": 5}, "end = 5 must lie behind begin = 5"),
        ("warmup", {"steps": 3, "then": "warmup"}, "option then = 'warmup'"),
        ("warmup", {"steps": 3, "every": 5}, "rule 'constant' has no option 'every'"),
    ],
)
def test_bad_rules_are_refused_in_one_line(name: str, options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse_learning_rate(name, 0.1, options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_rates_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="option rate"):
        parse_learning_rate("constant", rate, {})
