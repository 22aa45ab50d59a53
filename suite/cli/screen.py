"""The console that tables are printed on, and the bar of a report that is being drawn."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

WIDTH = 180  # of a table that goes into a file or a pipe, where nobody can widen the window


def wide_console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=int(os.environ.get("COLUMNS", WIDTH)))


@contextmanager
def drawing_bar() -> Iterator[Callable[[int, int], None]]:
    """Tells whoever sits before a terminal how many figures are drawn, and is gone in the end."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Reading records", total=None)
        yield lambda done, of: bar.update(task, description="Drawing figures", completed=done, total=of)
