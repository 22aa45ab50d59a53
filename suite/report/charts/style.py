"""Colours, and what they become on a dark page. Everything on a chart is drawn in one of these.

None is told from another by its colour alone: lines have markers and dashes, parts of bars hatches.

Each has at least three times the contrast of its paper (tests/report/test_charts.py measures it), text at least 4.5.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

from suite.report.charts.specification import Line, Role


@dataclass(frozen=True)
class Colour:
    light: str
    dark: str


PAPER = Colour("#ffffff", "#14171b")
INK = Colour("#1b1f24", "#e6e9ed")
QUIET = Colour("#57606a", "#a3adb8")
GRID = Colour("#e1e5ea", "#2b323a")  # behind the data, on purpose hardly there

ALGORITHMS = {
    "layerwise": Colour("#0969da", "#58a6ff"),
    "delayed": Colour("#bc4c00", "#ff9b50"),
    "backup_workers": Colour("#1a7f37", "#4ac26b"),
    "asynchronous": Colour("#cf222e", "#ff7b72"),
    "softsync": Colour("#8250df", "#bc8cff"),
    "downpour": Colour("#9a6700", "#d4a72c"),
    "elastic_averaging": Colour("#0b7a75", "#39c5bb"),
    "local_sgd": Colour("#bf3989", "#f778ba"),
    "slowmo": Colour("#5a6b00", "#b5c94c"),
    "diloco": Colour("#3b4fa8", "#8ea2ff"),
    "adasum": Colour("#6e4a3a", "#c69c86"),
    "torch_ddp": Colour("#0079a8", "#5cc8f0"),
    "bare": Colour("#6e7781", "#8b949e"),
    "synchronous": Colour("#7d3c1a", "#d99c7d"),  # with overlap; the plain one has its role
    "stock_horovod": Colour("#58626d", "#9aa4ae"),
    "no_communication": Colour("#7a8490", "#7d8893"),
}
OTHER = Colour("#6a5f8f", "#a79cd0")
# For algorithms that have come since: by their name, so that the next report draws them the same.
MORE = (
    OTHER,
    Colour("#8a5a00", "#e0a84b"),
    Colour("#00695c", "#4db6ac"),
    Colour("#ad1457", "#f48fb1"),
    Colour("#33691e", "#9ccc65"),
    Colour("#4527a0", "#b39ddb"),
    Colour("#01579b", "#81d4fa"),
    Colour("#5d4037", "#bcaaa4"),
)

ROLES = {
    Role.REFERENCE: Colour("#25292e", "#d1d7de"),
    Role.CONTROL: Colour("#59626d", "#9ba4ae"),
    Role.CEILING: Colour("#1f8a55", "#5bcf95"),
    Role.FLOOR: Colour("#b03a7a", "#f08cc0"),
    Role.IDEAL: Colour("#8a929c", "#6f7a86"),
    Role.DECLARED: Colour("#1b2024", "#e7e9ed"),
}
DASHES: dict[Role, object] = {
    Role.ALGORITHM: "solid",
    Role.REFERENCE: "solid",
    Role.CONTROL: (0, (5, 2)),
    Role.CEILING: (0, (1, 1.5)),
    Role.FLOOR: (0, (6, 2, 1, 2)),
    Role.IDEAL: (0, (2, 4)),
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
VARIANTS: tuple[object, ...] = ("solid", (0, (4, 1.5)), (0, (2, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (1, 1)))

PARTS = {
    "compute": Colour("#6f8fc0", "#6a8cc4"),
    "straggler's delay": Colour("#a86a98", "#c98bb9"),
    "exposed communication": Colour("#cf5a34", "#f0835c"),
    "waiting for ranks": Colour("#b98500", "#e2b23f"),
    "vote": Colour("#4f9458", "#77bf80"),
    "update": Colour("#7d8590", "#99a2ac"),
    "not told apart": Colour("#98a1ab", "#6b757f"),
    "used": Colour("#3f7fc1", "#68a5e3"),
    "dropped": Colour("#c4562f", "#f0845d"),
    "recorded": Colour("#3f7fc2", "#68a5e4"),
    "measured": Colour("#3f7fc4", "#68a5e6"),
    "speed": Colour("#3f7fc3", "#68a5e5"),
}
# What parts of a bar look like in print without colours: those that meet differ. The others are plain.
HATCHES = {
    "straggler's delay": "xxxx",
    "exposed communication": "////",
    "waiting for ranks": "....",
    "vote": "||||",
    "update": "\\\\\\\\",
    "not told apart": "----",
    "dropped": "////",
}


def of_name(name: str) -> Colour:
    """An algorithm's own: the one it has always had, or one of those that wait for more."""
    return ALGORITHMS.get(name, MORE[zlib.crc32(name.encode()) % len(MORE)])


def of_part(name: str) -> dict[str, Any]:
    """What fills a part of a bar."""
    return {"facecolor": PARTS[name].light, "edgecolor": PAPER.light, "linewidth": 0.4, "hatch": HATCHES.get(name)}


def of_line(line: Line) -> Colour:
    return ROLES[line.role] if line.role in ROLES else of_name(line.name)


def variables() -> dict[str, Colour]:
    """A CSS variable's name for every colour."""
    named = {"paper": PAPER, "ink": INK, "quiet": QUIET, "grid": GRID, "other": OTHER}
    named |= {f"a-{name.replace('_', '-')}": colour for name, colour in ALGORITHMS.items()}
    named |= {f"m-{number}": colour for number, colour in enumerate(MORE[1:], 1)}
    named |= {f"r-{role.name.lower()}": colour for role, colour in ROLES.items()}
    named |= {f"p-{number}": colour for number, colour in enumerate(PARTS.values())}
    return named
