"""The one sentence that a wrong name is answered with, and the one place that knows which name was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(value: object, allowed: Iterable[object]) -> str | None:
    """The allowed name that looks most like this one, with or without its options, or else the one that has it in it."""
    names: dict[str, str] = {}
    for one in map(str, allowed):
        names[one.lower()] = one
        names.setdefault(one.lower().partition("(")[0], one)
    given = str(value).lower()
    found = difflib.get_close_matches(given, names, n=1)
    around = {whole for name, whole in names.items() if len(given) > 2 and given in name}
    return names[found[0]] if found else around.pop() if len(around) == 1 else None


def did_you_mean(value: object, allowed: Iterable[object], form: str = "{}") -> str:
    """`did you mean 'delayed'?`, in a form such as `" ({})"`; nothing where no name is near."""
    near = nearest(value, allowed)
    return "" if near is None else form.format(f"did you mean {near!r}?")


def unknown(what: str, value: object, allowed: Iterable[object]) -> str:
    """`unknown algorithm 'delayd' (did you mean 'delayed'?); known: ...`"""
    names = [str(one) for one in allowed]
    return f"unknown {what} {str(value)!r}{did_you_mean(value, names, ' ({})')}; known: {', '.join(names)}"
