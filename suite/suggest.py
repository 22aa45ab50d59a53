"""The one sentence that a wrong name is answered with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(value: object, allowed: Iterable[object]) -> str | None:
    """The allowed name that looks most like this one, if any does."""
    names = {str(one).lower(): str(one) for one in allowed}
    found = difflib.get_close_matches(str(value).lower(), names, n=1)
    return names[found[0]] if found else None


def unknown(what: str, value: object, allowed: Iterable[object]) -> str:
    """`unknown algorithm 'delayd' (did you mean 'delayed'?); known: ...`"""
    names = [str(one) for one in allowed]
    near = nearest(value, names)
    hint = f" (did you mean {near!r}?)" if near else ""
    return f"unknown {what} {str(value)!r}{hint}; known: {', '.join(names)}"
