"""On which line of a TOML text each key and array element stands. The standard parser reads the values but forgets that.

Only for texts that `tomllib` accepted: what it would refuse is not looked for again.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\#[^\n]*)
      | (?P<string>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
      | (?P<mark>[\[\]{},=\n])
      | (?P<word>[^\s\#,=\[\]{}"']+)""",
    re.VERBOSE | re.DOTALL,
)


def locate(text: str) -> dict[Path, int]:
    """Path -> line, counted from 1. An element of an array has its index in the path."""
    return _Scan(text).lines


def nearest_line(lines: Mapping[Path, int], path: Path) -> int:
    """The line of `path`, or of the closest thing around it that has one."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


class _Scan:
    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self.tokens: list[tuple[str, int]] = []
        line = 1
        for match in _TOKEN.finditer(text):
            if match.lastgroup != "space":
                self.tokens.append((match.group(), line))
            line += match.group().count("\n")
        self.at = 0
        self.counts: dict[Path, int] = {}
        table: Path = ()
        while self.at < len(self.tokens):
            if self._peek() == "\n":
                self.at += 1
            elif self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def _next(self) -> tuple[str, int]:
        self.at += 1
        return self.tokens[self.at - 1]

    def _key(self) -> tuple[Path, int]:
        """A dotted key up to '=' or ']', the parts unquoted."""
        line = self.tokens[self.at][1]
        text = ""
        while self._peek() not in ("=", "]", ""):
            text += self._next()[0]
        found: Any = tomllib.loads(f"{text} = 0")
        parts: list[str] = []
        while found != 0:
            (name,) = found
            parts.append(name)
            found = found[name]
        return tuple(parts), line

    def _header(self) -> Path:
        array = False
        self._next()
        if self._peek() == "[":
            array = True
            self._next()
        parts, line = self._key()
        while self._peek() == "]":
            self._next()
        path = self._inside(parts)
        if array:
            index = self.counts.get(path, 0)
            self.counts[path] = index + 1
            self.lines.setdefault(path, line)
            path = (*path, index)
        self.lines.setdefault(path, line)
        return path

    def _inside(self, parts: Path) -> Path:
        """A header below an array of tables means the array's newest table."""
        path: Path = ()
        for part in parts[:-1]:
            path = (*path, part)
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        return (*path, parts[-1])

    def _pair(self, table: Path) -> None:
        parts, line = self._key()
        self._next()  # "="
        for length in range(1, len(parts) + 1):
            self.lines.setdefault(table + parts[:length], line)
        self._value(table + parts)

    def _value(self, path: Path) -> None:
        token, _ = self._next()
        if token == "[":
            index = 0
            while self._skip_blank() != "]":
                self.lines[(*path, index)] = self.tokens[self.at][1]
                self._value((*path, index))
                index += 1
                if self._skip_blank() == ",":
                    self._next()
            self._next()
        elif token == "{":
            while self._skip_blank() != "}":
                self._pair(path)
                if self._skip_blank() == ",":
                    self._next()
            self._next()
        else:  # a scalar; a date with a space in it is two words
            while self._peek() not in ("\n", ",", "]", "}", ""):
                self._next()

    def _skip_blank(self) -> str:
        while self._peek() == "\n":
            self.at += 1
        return self._peek()
