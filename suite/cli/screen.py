"""The console that tables are printed on."""

from __future__ import annotations

import os

from rich.console import Console

WIDTH = 180  # of a table that goes into a file or a pipe, where nobody can widen the window


def wide_console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=int(os.environ.get("COLUMNS", WIDTH)))
