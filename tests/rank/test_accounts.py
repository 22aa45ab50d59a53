"""What a rank counted is in its record, whoever knows the counter."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from algorithms.mechanisms.telemetry import Telemetry
from suite.experiment.live import Live
from suite.rank import accounts
from tests.record.examples import specification


@dataclass(frozen=True, kw_only=True)
class Newer(Telemetry):
    yawns: int = 3


def test_every_counter_is_kept() -> None:
    counted = Newer(steps=5, exposed_vote_seconds=0.25, used=4, bytes_per_exchange=12)
    built: Any = SimpleNamespace(telemetry=lambda: counted, parameter_bytes=400)
    kept = accounts.telemetry(cast(Any, built), Live(specification()), size=2)
    assert kept.exposed_vote_seconds == 0.25
    assert kept.bytes_per_exchange == 12
    assert kept.contributions_used == 4
    assert kept.other == {"yawns": 3}
    assert type(kept).model_validate_json(kept.model_dump_json()) == kept
