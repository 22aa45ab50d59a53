"""A net of the suite that real ranks train, and that trains again in virtual time with the arrivals that they recorded.

Losses and parameters are equal but for the order in which sums are formed.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

import algorithms
from algorithms.contract import Algorithm, Exchange, Rounds
from algorithms.mechanisms.quorum.record import RoundRecord
from algorithms.virtual import Constant
from algorithms.virtual.replay import recording
from suite.cluster.virtual import VirtualNetwork
from suite.experiment import choices
from suite.models import Net, catalogue
from suite.models.layers import Conv, Flatten, Gelu, Linear, Pool
from suite.models.structure import Chain
from suite.rank.sources import open_source
from suite.rank.worker import averages_gradients
from suite.record.specification import Data, Model, Optimizer, Specification
from suite.virtual.gradients_torch import InThisProcess
from suite.virtual.training_torch import prepare

STEPS, RATE, MOMENTUM = 200, 0.02, 0.5
# Of the largest value. Float32 keeps 7 digits, of which training in another order of sums loses two.
CLOSE = {torch.float64: 1e-9, torch.float32: 1e-5}
TRIED = [
    algorithms.Synchronous(),
    algorithms.Delayed(steps=2),
    algorithms.BackupWorkers(spares=1),
    algorithms.Asynchronous(clip_norm=5.0),
    algorithms.SoftSync(gradients=2),
    algorithms.Downpour(period=3),
    algorithms.ElasticAveraging(period=2, asynchronous=True),
    algorithms.SlowMo(period=4),
]


def smooth(image: int = 8, width: float = 1.0, classes: int = 10, channels: int = 1) -> Net:
    """A tiny convolutional net without rectifiers and maxima.

    Where a unit is so near its kink that the last bit of float32 decides whether it switches, the parameters behind it go
    another way: in one run of several, and on some processors only (5e-4 of the largest after 200 steps).
    """
    layers = (
        *(Conv("conv1", 8, 3, padding=1), Gelu()),
        *(Conv("conv2", 16, 3, padding=1), Gelu(), Pool("average", 2, 2)),
        *(Flatten(), Linear("fc", classes, deviation=0.01)),
    )
    return Net("smooth", (image, image, channels), classes, Chain("smooth", layers))


catalogue.FAMILIES["smooth"] = smooth  # of this process alone
# TensorFlow's error function for the net without kinks is of float32's precision in float64, too, which needs no such net.
NETS = {torch.float64: "tiny-cnn", torch.float32: "smooth"}
Step = Callable[[np.ndarray, np.ndarray, float, Callable[[], None]], float]


def uneven(algorithm: Algorithm, ranks: int) -> bool:
    """Whether rounds close without waiting for all."""
    return isinstance(algorithm, Rounds) and algorithm.quorum(ranks) < ranks


def specified(algorithm: Algorithm, ranks: int, dtype: torch.dtype) -> Specification:
    return Specification(
        framework="torch",
        model=choices.resolve_model(Model(name=NETS[dtype], image=8), "digits"),
        algorithm=choices.written_out(algorithm),
        data=Data(name="digits"),
        optimizer=Optimizer(learning_rate=RATE, momentum=MOMENTUM),
        workers=ranks,
        network=VirtualNetwork(compute_seconds=1.0),
        batch_size=8,
        steps=STEPS,
    )


def trained(specification: Specification, algorithm: Algorithm, rank: int, step: Step) -> list[float]:
    """A rank's losses: of a `step` from images, labels, the weight of their loss, and what to do before its end."""
    source = open_source(specification, "train", rank, specification.workers)
    draw = np.random.default_rng(rank)
    free = uneven(algorithm, specification.workers)
    batches = source.stream()
    losses = []
    for number in range(STEPS):
        images, labels = next(batches)
        weight = source.weight(number) if averages_gradients(algorithm) and not free else 1.0
        pause = draw.exponential(0.002) if free else 0.0
        losses.append(step(images, labels, weight, functools.partial(time.sleep, pause)))
    return losses


def simulated(specification: Specification, algorithm: Algorithm, records: Sequence[RoundRecord], dtype: torch.dtype):
    """Losses by worker and step, the net with the parameters that one evaluates, and how many rounds there were."""
    losses: dict[tuple[int, int], float] = {}
    prepared = prepare(specification, dtype)
    batches = prepared.batches

    class Numbered:
        def computed(self, worker: int, step: int, time: float) -> None:
            if isinstance(algorithm, Rounds) and algorithm.tagged:
                batches.begin(worker, step)

        def gave_up(self, worker: int, time: float) -> None: ...

        def settled(self, run, time: float) -> bool:
            self.run = run
            return False

    def told(worker: int, step: int, loss: float) -> None:
        losses[worker, step] = loss

    watch = Numbered()
    replay = recording(algorithm, records, specification.workers) if isinstance(algorithm, Rounds) else None
    cluster = prepared.cluster(InThisProcess(prepared.net, batches, told), Constant())
    cluster.run(STEPS, record=0, replay=replay, watch=watch)
    return losses, prepared.net, watch.run.evaluated()[0], watch.run.trace.rounds


@dataclass(frozen=True)
class Trained:
    """What one rank did."""

    losses: Sequence[float]
    parameters: Mapping[str, np.ndarray]  # that one evaluates, by name


def compare(algorithm: Algorithm, dtype: torch.dtype, real: Sequence[Trained], records: Sequence[RoundRecord]) -> None:
    """Demand that ranks have trained as virtual workers do who came when these did."""
    specification = specified(algorithm, len(real), dtype)
    losses, net, vector, rounds = simulated(specification, algorithm, records, dtype)
    tolerance = CLOSE[dtype]
    assert (vector - net.initial).abs().max() > 0.01, "nothing was learned, so nothing is compared"
    assert isinstance(algorithm, Exchange) or rounds == len(records)
    again = net.named(vector)
    largest = max(np.abs(value).max() for value in again.values())
    for rank, one in enumerate(real):
        assert again.keys() == one.parameters.keys()
        for name, value in again.items():
            apart = np.abs(value - one.parameters[name]).max() / largest
            assert apart <= tolerance, f"{name} of rank {rank}: {apart:.1e} of the largest"
    assert len(losses) > 0.6 * STEPS * len(real)
    highest = max(losses.values())
    for (worker, step), loss in losses.items():
        apart = abs(loss - real[worker].losses[step]) / highest
        assert apart <= tolerance, f"loss of step {step} of rank {worker}: {apart:.1e} of the highest"
