"""When each layer computed, for a trace. In memory until the end: writing would take part in what is looked at."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path


class LayerSpans:
    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._zero = clock()
        self._begun: dict[str, float] = {}
        self._spans: list[tuple[str, float, float]] = []

    def start(self) -> None:
        """Times count from here."""
        self._zero = self._clock()

    def begin(self, name: str) -> None:
        self._begun[name] = self._clock()

    def end(self, name: str) -> None:
        began = self._begun.pop(name, None)
        if began is not None:
            self._spans.append((name, began - self._zero, self._clock() - began))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self._spans))
