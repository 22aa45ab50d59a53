"""The wire is measured with what it will carry."""

from __future__ import annotations

from itertools import count

import pytest
import torch

from algorithms.mechanisms.routes import Freight
from algorithms.torch import collectives
from algorithms.torch.exchange.profile import Stopwatch, planned_route


class Measured(Stopwatch):
    def medians(self) -> list[float]:
        return [0.1, 0.2, 0.0, 0.0, 0.3]


def test_the_wire_is_measured_where_gradients_are(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(collectives, "apart", lambda tensors, name, among: seen.extend(tensors))
    monkeypatch.setattr(collectives, "mean", lambda tensor, name, among: tensor)
    ticks = count()
    route = planned_route(
        [8, 1],
        ["weight", "header"],
        Freight(1.0, (None, None)),
        Measured.__new__(Measured),
        by_need=False,
        delay=1,
        name="plan",
        among=None,
        device=torch.device("meta"),
        clock=lambda: float(next(ticks)),
    )
    assert seen
    assert {tensor.device.type for tensor in seen} == {"meta"}
    assert sum(piece.size for bundle in route.bundles for piece in bundle) == 9
