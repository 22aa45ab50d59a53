"""What the parts of an experiment file's schema have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def arrays(value: Any) -> Any:
    """Behind a validator of our own, pydantic takes the file's arrays for lists, and strictly a list is no tuple."""
    if isinstance(value, dict):
        return {key: arrays(item) for key, item in value.items()}
    return tuple(map(arrays, value)) if isinstance(value, list) else value
