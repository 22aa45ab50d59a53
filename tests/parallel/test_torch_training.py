"""The training loop around real wrappers on real ranks: data without overlap, meetings without hanging, exact weights."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import horovod.torch as hvd
import numpy as np
import pytest
import torch

import algorithms
from algorithms.contract import Algorithm
from algorithms.torch import DistributedOptimizer
from suite.data import Source, check_same, open_data
from suite.models import describe, torch_builder
from suite.training import Plan, train
from suite.training.recipes import DIGITS
from suite.training.torch_loop import TorchSession
from tests.patience import eventually

pytestmark = pytest.mark.ranks(2)


@pytest.fixture(autouse=True)
def horovod() -> None:
    hvd.init()
    torch.set_num_threads(1)


def net() -> torch.nn.Module:
    return torch_builder.build(describe(DIGITS.model, image=8, channels=1, width=DIGITS.width), 0)


def wrapped(model: torch.nn.Module, algorithm: Algorithm, **more: Any) -> DistributedOptimizer:
    inner = torch.optim.SGD(model.parameters(), lr=DIGITS.learning_rate, momentum=DIGITS.momentum)
    return DistributedOptimizer(inner, model, algorithm, **more)


def digits(
    split: str, rank: int, ranks: int, batch_size: int = DIGITS.batch_size // 2, limit: int | None = None
) -> Source:
    return open_data(
        "digits",
        split=split,  # type: ignore[arg-type]
        batch_size=batch_size,
        rank=rank,
        size=ranks,
        seed=0,
        limit=limit,
    )


def exchange(mine: Any) -> Sequence[Any]:
    found: Sequence[Any] = hvd.allgather_object(mine, name="test.training")
    return found


def test_the_digits_reach_98_percent_in_a_minute(rank: int, ranks: int) -> None:
    began = time.monotonic()
    source, test = (digits(split, rank, ranks) for split in ("train", "test"))
    check_same(exchange(source.contents))
    model = net()
    optimizer = wrapped(model, algorithms.Synchronous())
    plan = Plan(
        steps=DIGITS.epochs * source.steps_per_epoch,
        evaluate_every=source.total_samples,
        targets=(0.9, DIGITS.target),
        stop_at_targets=True,
    )
    result = train(TorchSession(model, optimizer), source, plan, test=test, exchange=exchange, finish=optimizer.finish)
    optimizer.finish()
    print(*result.outcomes, sep="\n")
    assert result.verdict == "reached every target"
    assert result.evaluations[-1].evaluation.samples == 360
    assert time.monotonic() - began < 60
    everybody = exchange((result.verdict, [one.evaluation for one in result.evaluations]))
    assert everybody[0] == everybody[1]


@pytest.mark.parametrize("by_optimizer", [False, True])
def test_short_and_empty_batches_are_exact_against_one_device(rank: int, ranks: int, by_optimizer: bool) -> None:
    """41 samples in batches of 10: 21 and 20, so a third step of one sample and none."""
    source = digits("train", rank, ranks, batch_size=10, limit=41)
    model = net()
    optimizer = wrapped(model, algorithms.Synchronous(), weighted=by_optimizer)
    session = TorchSession(model, optimizer, weigh=optimizer.weigh if by_optimizer else None)
    train(session, source, Plan(steps=6), exchange=exchange, finish=optimizer.finish)

    alone = net()
    reference = torch.optim.SGD(alone.parameters(), lr=DIGITS.learning_rate, momentum=DIGITS.momentum)
    streams = [digits("train", other, ranks, batch_size=10, limit=41).stream() for other in range(ranks)]
    sizes = []
    for _ in range(6):
        batches = [next(stream) for stream in streams]
        sizes.append([len(labels) for _, labels in batches])
        images = np.concatenate([images for images, _ in batches]).transpose(0, 3, 1, 2)
        labels = np.concatenate([labels for _, labels in batches])
        reference.zero_grad()
        output = alone(torch.from_numpy(np.ascontiguousarray(images)))
        torch.nn.functional.cross_entropy(output, torch.from_numpy(labels)).backward()
        reference.step()
    assert sizes == [[10, 10], [10, 10], [1, 0]] * 2
    for mine, theirs in zip(model.parameters(), alone.parameters(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-5, atol=1e-6)


class Tempo:
    """Rank 1 takes eight times as long for a step as rank 0, unless the step is given up, by a clock of the test's own."""

    def __init__(self, optimizer: DistributedOptimizer, rank: int, path: Path) -> None:
        self.optimizer, self.rank, self.now = optimizer, rank, 0.0
        self.begun = path / "steps that rank 1 has begun"
        self.begun.touch()
        self.seen = 0
        self.meets = [path / f"rank {number} is at a meeting" for number in (0, 1)]
        self.first = True  # step behind a meeting: there is no helper yet that could hear that a round has closed

    def finish(self) -> None:
        self.meets[self.rank].touch()
        self.first = True
        self.optimizer.finish()

    def before_step(self, step: int) -> None:
        self.meets[self.rank].unlink(missing_ok=True)
        late = self.optimizer.late
        if self.rank == 0:
            if late is not None:
                self._waits_for(lambda: self.begun.stat().st_size > self.seen)
            self.seen = self.begun.stat().st_size
        elif late is None:
            time.sleep(0.02)
        else:
            with self.begun.open("ab") as file:
                file.write(b".")
            if not self.first:
                self._waits_for(late.is_set)
        self.first = False
        self.now += 0.32 if self.rank == 1 and not (late is not None and late.is_set()) else 0.04

    def _waits_for(self, condition: Callable[[], bool]) -> None:
        eventually(lambda: condition() or self.meets[1 - self.rank].exists())


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.BackupWorkers(spares=1),
        algorithms.BackupWorkers(spares=1, give_up=True),
        algorithms.Asynchronous(),
        algorithms.ElasticAveraging(asynchronous=True),
    ],
    ids=repr,
)
def test_ranks_out_of_step_meet_evaluate_and_end_together(
    rank: int, ranks: int, shared_path: Path, algorithm: Algorithm
) -> None:
    source, test = (digits(split, rank, ranks) for split in ("train", "test"))
    model = net()
    optimizer = wrapped(model, algorithm)
    session = TorchSession(model, optimizer)
    tempo = Tempo(optimizer, rank, shared_path)
    result = train(
        session,
        source,
        Plan(steps=20, meet_every=0.8),
        test=test,
        exchange=exchange,
        finish=tempo.finish,
        clock=lambda: tempo.now,
        before_step=tempo.before_step,
    )
    optimizer.finish()
    taken = exchange(session.steps_taken)
    assert result.verdict == "finished"
    assert sum(taken) >= 40
    if optimizer.late is None:
        assert taken[1] < taken[0] / 2
    else:
        assert taken[1] > taken[0] / 2, "eight times as slow, and it keeps up: its steps are left when they are in vain"
        assert exchange(optimizer.telemetry().given_up)[1] > taken[1] / 2
    everybody = exchange([one.evaluation for one in result.evaluations])
    assert everybody[0] == everybody[1] and len(everybody[0]) >= 1
    assert everybody[0][-1].samples == 360


def test_a_resumed_run_continues_as_if_it_had_never_stopped(rank: int, ranks: int, shared_path: Path) -> None:
    """With a gradient in flight at the moment of saving: the wrapper's own state is in the checkpoint."""

    def fresh() -> tuple[TorchSession, DistributedOptimizer]:
        model = net()
        optimizer = wrapped(model, algorithms.Delayed(steps=1))
        return TorchSession(model, optimizer), optimizer

    def go(session: TorchSession, steps: int) -> None:
        with digits("train", rank, ranks).stream(session.steps_taken) as batches:
            for _ in range(steps):
                session.steps([next(batches)])

    whole, optimizer = fresh()
    go(whole, 8)
    optimizer.finish()
    optimizer.detach()

    first, optimizer = fresh()
    go(first, 4)
    first.save(shared_path / f"rank-{rank}.checkpoint")
    optimizer.finish()
    optimizer.detach()

    second, optimizer = fresh()
    second.load(shared_path / f"rank-{rank}.checkpoint")
    go(second, 4)
    optimizer.finish()
    optimizer.detach()
    for name, value in whole.parameters().items():
        assert np.array_equal(value, second.parameters()[name]), name
