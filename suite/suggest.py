"""The one sentence that a wrong name is answered with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(value: object, allowed: Iterable[object]) -> str | None:
    """The allowed name that looks most like this one, with or without its options, if any does."""
    names: dict[str, str] = {}
    for one in map(str, allowed):
        names[one.lower()] = one
        names.setdefault(one.lower().partition("(")[0], one)
    found = difflib.get_close_matches(str(value).lower(), names, n=1)
    return names[found[0]] if found else None


def unknown(what: str, value: object, allowed: Iterable[object]) -> str:
    """`unknown algorithm 'delayd' (did you mean 'delayed'?); known: ...`"""
    names = [str(one) for one in allowed]
    near = nearest(value, names)
    hint = f" (did you mean {near!r}?)" if near else ""
    return f"unknown {what} {str(value)!r}{hint}; known: {', '.join(names)}"
