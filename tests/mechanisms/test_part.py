"""What a verdict means for each worker."""

from __future__ import annotations

import numpy as np
import pytest

import algorithms
from algorithms.contract import Centre
from algorithms.mechanisms.quorum.ballot import Terms, Verdict
from algorithms.mechanisms.quorum.part import part_in
from algorithms.mechanisms.quorum.record import Contribution
from algorithms.mechanisms.quorum.replica import AnyReplica


def verdict(*weights: float) -> Verdict:
    """Of workers 2, 3, ... with these weights, who read the centre 0, 1, ... rounds ago."""
    taken = tuple(Contribution(worker=2 + i, step=9, read=7 - i) for i in range(len(weights)))
    return Verdict(round=7, taken=taken, terms=tuple(Terms(weight=weight) for weight in weights))


def test_who_is_not_in_the_round_adds_nothing() -> None:
    part = part_in(verdict(1.0, 1.0), 0, workers=4, rate=0.5)
    assert not part.present and not part.weighs
    assert part.closing == part_in(verdict(1.0, 1.0), 2, workers=4, rate=0.5).closing
    assert (part.closing.round, part.closing.contributions, part.closing.learning_rate) == (7, 2, 0.5)


def test_an_offer_knows_its_own_age_and_counts_for_itself() -> None:
    part = part_in(verdict(1.0, 1.0), 3, workers=4, rate=0.5)
    assert (part.offering.staleness, part.offering.contributions, part.offering.workers) == (1, 1, 4)
    assert part.closing.staleness == 0


@pytest.mark.parametrize("weights", [(8.0, 8.0), (8.0, 4.0, 1.0), (8.0, 0.0), (0.5, 2.0)])
def test_a_mean_of_shares_is_a_mean_over_samples(weights: tuple[float, ...]) -> None:
    gradients = np.arange(1.0, 1 + len(weights))
    parts = [part_in(verdict(*weights), 2 + i, workers=5, rate=0.1) for i in range(len(weights))]
    shared = sum(part.share * gradient for part, gradient in zip(parts, gradients, strict=True)) / len(weights)
    assert shared == pytest.approx(np.average(gradients, weights=weights), rel=1e-15)
    assert [part.weighs for part in parts] == [weight > 0 for weight in weights]


class Row:
    """A binding's arrays for one parameter, the plainest that there is."""

    def __init__(self) -> None:
        self.values = np.zeros(2)

    def at(self, key: int) -> np.ndarray:
        return self.values

    def put(self, key: int, values: np.ndarray) -> None:
        self.values = values

    @property
    def bytes(self) -> int:
        return self.values.nbytes


def test_a_replica_keeps_what_its_algorithm_keeps_and_no_more() -> None:
    none = AnyReplica[int, Row](algorithms.LocalSGD(period=2), lambda part: Row())
    none.put(0, Centre(parameters=np.ones(2)))
    assert none.kept == {} and none.evaluated is None and none.bytes == 0

    kept = AnyReplica[int, Row](algorithms.Downpour(average="running"), lambda part: Row())
    kept.put(0, kept.algorithm.centre(np.ones(2)))
    assert set(kept.kept) == {"parameters", "average"} and kept.evaluated is kept.kept["average"]
    kept.put(0, Centre(parameters=np.full(2, 3.0), average=np.ones(2)))
    kept.grow_average(0, 2)
    assert kept.at(0).average == pytest.approx(kept.algorithm.averaged(np.ones(2), np.full(2, 3.0), 2))


def test_what_is_asked_for_is_kept_from_then_on() -> None:
    replica = AnyReplica[int, Row](algorithms.LocalSGD(period=2, overlap=1), lambda part: Row())
    assert replica.keep("parameters") is replica.keep("parameters")
    replica.put(0, Centre(parameters=np.full(2, 5.0)))
    assert list(replica.at(0).parameters) == [5.0, 5.0] and replica.evaluated is replica.kept["parameters"]
