"""What a worker has trained on and lost."""

from __future__ import annotations

import pytest

from algorithms.mechanisms.elastic.ledger import Ledger, Recovery


def test_what_is_drawn_counts_when_it_is_committed_and_is_lost_otherwise() -> None:
    now = iter([10.0, 12.5])
    ledger = Ledger(lambda: next(now))
    ledger.goes_on(workers=4, newcomers=4)
    assert not ledger.recoveries  # a beginning is none
    ledger.draws(8)
    ledger.commits()
    ledger.draws(8)
    ledger.draws(4)
    ledger.notices(lost=True)
    ledger.notices(lost=True)  # another one, before all have met: the same recovery
    ledger.goes_on(workers=3, newcomers=1)
    assert (ledger.samples, ledger.samples_lost) == (8, 12)
    assert ledger.recoveries == [
        Recovery(lost=True, seconds=2.5, before=4, workers=3, newcomers=1, samples_lost=12),
    ]
    ledger.draws(8)
    ledger.commits()
    assert (ledger.samples, ledger.samples_lost) == (16, 12)


def test_less_than_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="samples=-1: must be a number >= 0"):
        Ledger().draws(-1)
