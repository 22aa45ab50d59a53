"""When: pure functions of a step number that counts from 0, the same on every worker."""

from __future__ import annotations


def before_every(period: int, step: int) -> bool:
    """Steps 0, period, 2 period, ...: meet before the step."""
    return step % period == 0


def after_every(period: int, step: int) -> bool:
    """Steps period - 1, 2 period - 1, ...: meet after the step."""
    return (step + 1) % period == 0


def after_warmup(period: int, warmup: int, step: int) -> bool:
    """After every step while warming up, then `period` steps apart."""
    return step < warmup or after_every(period, step - warmup)
