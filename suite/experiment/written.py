"""How experiment files write what the schema has: names without a table around them, arrays, options among the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def arrays(value: Any) -> Any:
    """Behind a validator of our own, pydantic takes the file's arrays for lists, and strictly a list is no tuple."""
    if isinstance(value, dict):
        return {key: arrays(item) for key, item in value.items()}
    return tuple(map(arrays, value)) if isinstance(value, list) else value


def named(*own: str) -> Callable[[Any], Any]:
    """A bare string is a name; keys that the choice does not know by itself are options of what is named."""

    def spread(value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict):
            known = {"name", "label", *own}
            options = {key: item for key, item in value.items() if key not in known}
            chosen = {key: item for key, item in value.items() if key in known}
            return arrays(chosen | ({"options": options} if options else {}))
        return value

    return spread
