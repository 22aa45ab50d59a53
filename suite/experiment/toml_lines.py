"""On which line of a TOML text each key and array element stands. The standard parser reads the values but forgets that.

What it sees in the first lines alone, and not in fewer of them, stands on the last of them. Only for texts that `tomllib`
accepted.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str | int, ...]

_QUOTED = re.compile(r"\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|\#[^\n]*", re.DOTALL)
_CLOSING = {"[": "]", "{": "}"}


@functools.lru_cache(maxsize=16)
def locate(text: str) -> Mapping[Path, int]:
    """Path -> line, counted from 1. An element of an array has its index in the path."""
    rows = text.split("\n")
    lines: dict[Path, int] = {}
    begin = 1
    for end in range(1, len(rows) + 1):
        try:
            found = tomllib.loads(_closed("\n".join(rows[:end])))
        except tomllib.TOMLDecodeError:  # within a string of several lines, which stands where it begins
            continue
        for path in _paths(found):
            lines.setdefault(path, begin)
        begin = end + 1
    return lines


def nearest_line(lines: Mapping[Path, int], path: Path) -> int:
    """The line of `path`, or of the closest thing around it that has one."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _closed(text: str) -> str:
    """With an end to the arrays that have none yet."""
    missing = ""
    for mark in re.findall(r"[][{}]", _QUOTED.sub("", text)):
        missing = _CLOSING[mark] + missing if mark in _CLOSING else missing[1:]
    return f"{text}\n{missing}"


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield (*path, key)
        yield from _paths(item, (*path, key))
