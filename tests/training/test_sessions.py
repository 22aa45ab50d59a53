"""One interface, two frameworks: every law here holds for both sessions, and the two agree with each other."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from suite.models import describe
from suite.training import CheckpointError, Rule, bare_torch, parse_learning_rate
from tests.training.sessions import (
    FRAMEWORKS,
    Elsewhere,
    batches,
    model,
    optimizer,
    session,
    statistics,
    tiny,
    values,
    with_noise,
)

both = pytest.mark.parametrize("framework", FRAMEWORKS)


@pytest.mark.parametrize(
    ("momentum", "rule"),
    # Not momentum and a moving rate together: Keras keeps the rate of its time inside the momentum, torch does not.
    [(0.9, None), (0.0, parse_learning_rate("exponential", 0.2, {"every": 4, "factor": 0.5}))],
)
def test_the_frameworks_agree_step_by_step_and_in_evaluation(momentum: float, rule: Rule | None) -> None:
    """Same values, same batches, same rule: what is left is rounding."""
    ran = {
        framework: session(framework, model(framework, tiny()), rate=0.05, momentum=momentum, rule=rule)
        for framework in FRAMEWORKS
    }
    losses = {framework: one.steps(batches(8)) for framework, one in ran.items()}
    assert losses["torch"] == pytest.approx(losses["tensorflow"], rel=1e-4)
    counted = [one.evaluate(batches(3, seed=9)) for one in ran.values()]
    assert counted[0].loss == pytest.approx(counted[1].loss, rel=1e-4)
    assert counted[0].samples == counted[1].samples == 48
    assert abs(counted[0].top1_count - counted[1].top1_count) <= 1  # a tie within rounding


def test_the_torch_session_is_the_users_loop_bit_for_bit() -> None:
    mine, theirs = model("torch", tiny()), model("torch", tiny())
    one = session("torch", mine, momentum=0.9)
    opt = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    for images, labels in batches(4):
        opt.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            theirs(torch.from_numpy(images).permute(0, 3, 1, 2)), torch.from_numpy(labels)
        )
        loss.backward()
        opt.step()
        assert one.steps([(images, labels)]) == [float(loss.detach())]
    for mine_value, their_value in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine_value, their_value)


@both
def test_the_learning_rate_is_the_rule_at_each_step(framework: str) -> None:
    """Without momentum a step moves by rate * gradient: so the moves are proportional to the rates."""
    rule = parse_learning_rate("step", 0.5, {"every": 1, "factor": 0.1})
    plain, ruled = (session(framework, model(framework, tiny()), rate=0.5, rule=one) for one in (None, rule))
    batch = batches(1)[0]
    plain.steps([batch])
    ruled.steps([batch])
    for value, other in zip(values(plain), values(ruled), strict=True):
        assert np.array_equal(value, other)  # step 0: the rate itself
    again = session(framework, model(framework, tiny()), rate=0.5)
    again.steps([batch])
    start = values(again)
    again.steps([batch])
    ruled.steps([batch])
    for begin, full, tenth in zip(start, values(again), values(ruled), strict=True):
        assert np.allclose(tenth - begin, 0.1 * (full - begin), atol=1e-7)


@both
def test_weighted_parts_average_to_the_gradient_of_the_whole_batch(framework: str) -> None:
    """What ranks with 10 and 6 samples do: their weighted gradients average to that of all 16."""
    images, labels = batches(1)[0]
    start = values(session(framework, model(framework, tiny())))

    def move(part: slice, weight: float) -> list[np.ndarray]:
        one = session(framework, model(framework, tiny()), rate=1.0)
        one.steps([(images[part], labels[part])], [weight])
        return [after - before for after, before in zip(values(one), start, strict=True)]

    whole = move(slice(None), 1.0)
    parts = [move(slice(0, 10), 10 * 2 / 16), move(slice(10, 16), 6 * 2 / 16)]
    for expected, first, second in zip(whole, *parts, strict=True):
        assert np.allclose(expected, (first + second) / 2, atol=1e-6)


@both
def test_a_batch_without_samples_is_a_step_with_zero_gradient(framework: str) -> None:
    built = with_noise(framework)
    one = session(framework, built, rate=0.1, momentum=0.5)
    one.steps(batches(1))
    first, norms = values(one), statistics(built)
    empty = (np.zeros((0, 8, 8, 1), np.float32), np.zeros(0, np.int64))
    assert one.steps([empty], [0.0]) == [None]
    assert one.steps_taken == 2
    for before, after in zip(norms, statistics(built), strict=True):
        assert np.array_equal(before, after)
    second = values(one)
    assert one.steps([empty], [0.0]) == [None]
    # Only momentum moves: half as far as before, at every step.
    for a, b, c in zip(first, second, values(one), strict=True):
        assert np.allclose(c - b, 0.5 * (b - a), atol=1e-7)
    assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_batch_without_samples_among_unrolled_steps_is_one_of_them() -> None:
    """The other ranks take all steps in one function, whose exchanges are not those of single steps."""
    full = batches(3)
    given = [full[0], (np.zeros((0, 8, 8, 1), np.float32), np.zeros(0, np.int64)), full[2]]
    built = [with_noise("tensorflow") for _ in range(2)]
    ones = [session("tensorflow", one, momentum=0.5, steps_per_call=n) for one, n in zip(built, (3, 1), strict=True)]
    losses = ones[0].steps(given, [1.0, 0.0, 1.0])
    single = [ones[1].steps([batch], [float(bool(len(batch[1])))])[0] for batch in given]
    assert losses[1] is single[1] is None
    assert losses[::2] == pytest.approx(single[::2], rel=1e-5)
    assert [steps for steps, _ in ones[0]._traced] == [3]
    for unrolled, alone in zip(values(ones[0]), values(ones[1]), strict=True):
        np.testing.assert_allclose(unrolled, alone, atol=1e-6)
    for unrolled, alone in zip(*map(statistics, built), strict=True):
        np.testing.assert_allclose(unrolled, alone, atol=1e-6)


class Leaves(bare_torch.Bare):
    """Leaves the second of three steps when its gradients come."""

    steps = 0

    @contextmanager
    def attempt(self) -> Iterator[None]:
        with suppress(TimeoutError):
            yield
            if self.steps == 1:
                raise TimeoutError

    def step(self) -> None:
        self.steps += 1
        if self.steps != 2:
            super().step()


def test_a_step_that_is_left_is_a_step_and_training_goes_on() -> None:
    built = model("torch", tiny())
    whole, left = batches(2)
    one = session("torch", built, wrapped=Leaves(torch.optim.SGD(built.parameters(), lr=0.1)))
    plain = session("torch", model("torch", tiny()))
    one.steps([whole, left, whole])
    plain.steps([whole, whole])
    assert one.steps_taken == 3
    for mine, theirs in zip(values(one), values(plain), strict=True):
        assert np.array_equal(mine, theirs)


def test_a_step_that_is_left_before_its_loss_has_none() -> None:
    class AtOnce(Leaves):
        @contextmanager
        def attempt(self) -> Iterator[None]:
            with suppress(TimeoutError):
                yield

        def zero_grad(self) -> None:
            super().zero_grad()
            if self.steps == 1:
                raise TimeoutError

    built = model("torch", tiny())
    one = session("torch", built, wrapped=AtOnce(torch.optim.SGD(built.parameters(), lr=0.1)))
    assert [loss is None for loss in one.steps(batches(3))] == [False, True, False]


@both
def test_a_step_is_over_when_the_device_is_done(framework: str) -> None:
    built = with_noise(framework)
    at_barrier: list[bool] = []
    before: list[np.ndarray] = []
    one = session(
        framework,
        built,
        barrier=lambda: at_barrier.append(
            all(not np.array_equal(old, new) for old, new in zip(before, values(one), strict=True))
        ),
    )
    before += values(one)
    one.steps(batches(1))
    assert at_barrier == [True]  # asked once, with the update given to the device


@both
def test_a_batch_without_samples_among_others_in_one_call(framework: str) -> None:
    empty = (np.zeros((0, 8, 8, 1), np.float32), np.zeros(0, np.int64))
    full = batches(2)
    mixed, plain = (session(framework, model(framework, tiny()), steps_per_call=3) for _ in range(2))
    losses = mixed.steps([full[0], empty, full[1]], [1.0, 0.0, 1.0])
    expected = [plain.steps([batch])[0] for batch in full]
    assert losses == [expected[0], None, expected[1]] and mixed.steps_taken == 3


@both
def test_evaluation_looks_at_the_optimizers_evaluation_parameters_and_puts_everything_back(framework: str) -> None:
    built = with_noise(framework)
    inner = optimizer(framework, built, 0.1, 0.0)
    one = session(framework, built, wrapped=Elsewhere(inner, built))
    one.steps(batches(2))
    before, norms = values(one), statistics(built)
    counted = one.evaluate(batches(2))
    assert counted.loss == pytest.approx(np.log(10), rel=1e-5) and counted.top5_count == 0  # all logits zero
    for old, new in zip(before + norms, values(one) + statistics(built), strict=True):
        assert np.array_equal(old, new)


@both
def test_evaluation_drops_nothing_out_and_repeats(framework: str) -> None:
    one = session(framework, with_noise(framework))
    one.steps(batches(1))
    first, second = (one.evaluate(batches(2, seed=4)) for _ in range(2))
    assert first == second
    assert one.evaluate([]).samples == 0


@both
def test_auxiliary_heads_count_in_the_loss_by_their_weights_and_not_in_evaluation(framework: str) -> None:
    if framework == "torch":

        class Two(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.only = torch.nn.Linear(64, 10)

            def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                own = self.only(x.flatten(1))
                return own, -own

        built: Any = Two()
    else:
        import keras

        inputs = keras.Input((8, 8, 1))
        own = keras.layers.Dense(10)(keras.layers.Flatten()(inputs))
        built = keras.Model(inputs, [own, -own])
    one = session(framework, built, rate=0.0001, head_weights=(1.0, 0.3))
    batch = batches(1)[0]
    loss = one.steps([batch])[0]
    evaluated = one.evaluate([batch]).loss
    weight, bias = (value for value in values(one))
    logits = batch[0].reshape(16, 64) @ (weight.T if framework == "torch" else weight) + bias

    def entropy(scores: np.ndarray) -> float:
        return float(np.mean(np.log(np.exp(scores).sum(1)) - scores[np.arange(16), batch[1]]))

    assert evaluated == pytest.approx(entropy(logits), rel=1e-4)
    assert loss == pytest.approx(entropy(logits) + 0.3 * entropy(-logits), rel=1e-3)
    with pytest.raises(ValueError, match=r"2 outputs and head_weights \(1.0,\): one for each"):
        session(framework, built).steps([batch])


@both
def test_an_answer_per_position_is_trained_on_every_position(framework: str) -> None:
    """Logits N x positions x classes against labels N x positions."""
    if framework == "torch":
        built: Any = torch.nn.Sequential(torch.nn.Embedding(7, 5), torch.nn.Linear(5, 7))
    else:
        import keras

        built = keras.Sequential(
            [keras.Input((6,), dtype="int32"), keras.layers.Embedding(7, 5), keras.layers.Dense(7)]
        )
    one = session(framework, built, rate=5.0)
    tokens = np.random.default_rng(0).integers(0, 7, (32, 6))
    batch = (tokens.astype(np.int32), (tokens + 1) % 7)  # the next one of seven: learnable
    losses = [one.steps([batch])[0] for _ in range(100)]
    assert losses[0] == pytest.approx(np.log(7), rel=0.3) and losses[-1] is not None and losses[-1] < 0.1
    counted = one.evaluate([batch])
    assert counted.samples == 32 * 6 and counted.top1 == 1.0


@pytest.mark.parametrize("steps_per_call", [1, 4])
@both
def test_a_resumed_run_continues_as_if_it_had_never_stopped(
    framework: str, steps_per_call: int, tmp_path: Path
) -> None:
    """Momentum, dropout's random state, statistics, the learning-rate rule: all of it, bit for bit."""
    rule = parse_learning_rate("exponential", 0.1, {"every": 3, "factor": 0.5})
    given = batches(8)

    def fresh() -> Any:
        built = with_noise(framework)
        return built, session(framework, built, momentum=0.9, rule=rule, steps_per_call=steps_per_call)

    built, whole = fresh()
    losses = whole.steps(given[:4]) + whole.steps(given[4:])
    expected = values(whole) + statistics(built)

    _, first = fresh()
    first.steps(given[:4])
    first.save(tmp_path / "deep" / "run.checkpoint")
    other, second = fresh()
    second.steps(batches(1, seed=5))  # leaves traces everywhere that loading must remove
    second.load(tmp_path / "deep" / "run.checkpoint")
    assert second.steps_taken == 4
    assert second.steps(given[4:]) == losses[4:]
    for one, two in zip(expected, values(second) + statistics(other), strict=True):
        assert np.array_equal(one, two)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["run.checkpoint"]


@both
def test_checkpoints_of_other_models_frameworks_or_no_checkpoints_are_refused_by_name(
    framework: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.checkpoint"
    one = session(framework, model(framework, tiny()))
    with pytest.raises(CheckpointError, match=r"a.checkpoint: no such file"):
        one.load(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError, match=r"a.checkpoint: cannot be read"):
        one.load(path)
    one.save(path)
    kept = values(one)
    path.with_name("cut").write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CheckpointError, match="cut: cannot be read"):
        one.load(path.with_name("cut"))
    wider = session(framework, model(framework, describe("tiny-cnn", image=8, channels=1, width=2)))
    with pytest.raises(CheckpointError, match=r"a.checkpoint: .* of shape .*; expected"):
        wider.load(path)
    deeper = session(framework, with_noise(framework))
    with pytest.raises(CheckpointError, match=r"a.checkpoint: "):
        deeper.load(path)
    other = next(name for name in FRAMEWORKS if name != framework)
    with pytest.raises(CheckpointError, match=r"a.checkpoint: "):
        session(other, model(other, tiny())).load(path)
    for before, after in zip(kept, values(one), strict=True):
        assert np.array_equal(before, after)


@both
def test_bad_calls_are_refused(framework: str) -> None:
    one = session(framework, model(framework, tiny()))
    with pytest.raises(ValueError, match="steps of 0 batches"):
        one.steps([])
    with pytest.raises(ValueError, match="2 weights for 1 batches"):
        one.steps(batches(1), [1.0, 1.0])
    for weight in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="weight = "):
            one.steps(batches(1), [weight])


def test_unrolled_steps_are_the_same_steps() -> None:
    rule = parse_learning_rate("exponential", 0.2, {"every": 4, "factor": 0.5})
    single, unrolled = (
        session("tensorflow", model("tensorflow", tiny()), momentum=0.9, rule=rule, steps_per_call=count)
        for count in (1, 4)
    )
    given = batches(8)
    losses = [single.steps([batch])[0] for batch in given]
    assert unrolled.steps(given[:4]) + unrolled.steps(given[4:]) == pytest.approx(losses, rel=1e-6)
    for one, two in zip(values(single), values(unrolled), strict=True):
        assert np.allclose(one, two, atol=1e-6)


def test_a_short_batch_is_no_reason_to_trace_again() -> None:
    built = model("tensorflow", tiny())

    class Counting:
        traces = 0

        def __init__(self, inner: Any) -> None:
            self.__dict__["inner"] = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def apply(self, gradients: Any, variables: Any) -> None:
            Counting.traces += 1
            self.inner.apply(gradients, variables)

    one = session("tensorflow", built, wrapped=Counting(optimizer("tensorflow", built, 0.1, 0.0)))
    one.steps(batches(1, size=16))
    one.steps(batches(1, size=5), [0.5])
    assert Counting.traces == 1
