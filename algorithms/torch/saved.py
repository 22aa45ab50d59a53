"""What `state_dict()` of a wrapped optimizer holds: the plain optimizer's state, and ours beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from algorithms.contract import Algorithm

KEY = "farandole"


def joined(theirs: Mapping[str, Any], ours: Any, algorithm: Algorithm) -> dict[str, Any]:
    return {**theirs, KEY: {"algorithm": _identity(algorithm), "driver": ours}}


def theirs(state: Mapping[str, Any]) -> dict[str, Any]:
    """What the plain optimizer takes."""
    return {key: value for key, value in state.items() if key != KEY}


def ours(state: Mapping[str, Any], algorithm: Algorithm) -> Any:
    """None: a plain optimizer's. A ValueError where it was saved with another algorithm."""
    found = state.get(KEY)
    if found is None:
        return None
    if found["algorithm"] != _identity(algorithm):
        raise ValueError(f"this state was saved with {found['algorithm']}, not {_identity(algorithm)}")
    return found["driver"]


def _identity(algorithm: Algorithm) -> dict[str, Any]:
    return {"name": algorithm.name, **asdict(algorithm)}  # type: ignore[call-overload]
