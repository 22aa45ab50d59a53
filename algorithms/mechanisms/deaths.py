"""What a thread has died of, for those who depended on it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

_died: WeakKeyDictionary[threading.Thread, BaseException] = WeakKeyDictionary()


class Listening:
    """A `threading.excepthook` that remembers, and tells whoever was told before."""

    def __init__(self, told: Callable[[Any], Any]) -> None:
        self._told = told

    def __call__(self, end: threading.ExceptHookArgs, /) -> None:
        if end.thread is not None and end.exc_value is not None and not isinstance(end.exc_value, SystemExit):
            _died[end.thread] = end.exc_value
        self._told(end)


def listen_for_deaths() -> None:
    """From now on remember the error that ends a thread."""
    if not isinstance(threading.excepthook, Listening):
        threading.excepthook = Listening(threading.excepthook)


def cause_of_death(thread: threading.Thread) -> BaseException | None:
    """The error that has ended a thread; None where it came to its end."""
    if thread is threading.main_thread():
        error: BaseException | None = getattr(sys, "last_value", None)  # which the interpreter sets for this one alone
        return error
    return _died.get(thread)
