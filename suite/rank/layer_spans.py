"""What each layer did when, for a trace. In memory until the end: writing would take part in what is looked at."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

LEAST_SECONDS = 1e-6  # that it stood still: reading the clock twice is no waiting
BESIDE = "beside the training thread"


class Span(NamedTuple):
    name: str
    start: float
    seconds: float
    thread: str = ""  # the training thread


class LayerSpans:
    """`when_started` and `when_over`: for a framework that looks at itself in between."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter, system: Callable[[], float] = time.time) -> None:
        self.when_started: Callable[[], object] = lambda: None
        self.when_over: Callable[[], object] = lambda: None
        self.untold: list[str] = []  # what a reader would look for in vain, and why
        self.clock, self._system = clock, system
        self._zero, self._system_zero = clock(), system()
        self._trainer = threading.get_ident()
        self._begun: dict[tuple[str, int], float] = {}
        self._spans: list[Span] = []
        self._stood = 0.0

    def start(self) -> None:
        """Times count from here."""
        self._zero, self._system_zero = self.clock(), self._system()
        self.when_started()

    def begin(self, name: str) -> None:
        self._begun[name, threading.get_ident()] = self.clock()

    def end(self, name: str) -> None:
        began = self._begun.pop((name, threading.get_ident()), None)
        if began is not None:
            self.add(name, began, self.clock() - began)

    def add(self, name: str, began: float, seconds: float) -> None:
        """`began` on the clock."""
        thread = "" if threading.get_ident() == self._trainer else BESIDE
        self._spans.append(Span(name, began - self._zero, seconds, thread))

    def add_at(self, span: Span) -> None:
        """One whose start is the system's time."""
        self._spans.append(span._replace(start=span.start - self._system_zero))

    def stood_still(self, name: str, seconds: float) -> None:
        """`seconds`: in all so far, as the wrapper counts it; what is new has just ended. Of the training thread."""
        if threading.get_ident() != self._trainer:
            return
        new, self._stood = seconds - self._stood, seconds
        if new > LEAST_SECONDS:
            self.add(name, self.clock() - new, new)

    def write(self, path: Path) -> None:
        self.when_over()
        path.write_text(json.dumps({"untold": self.untold, "spans": self._spans}))
