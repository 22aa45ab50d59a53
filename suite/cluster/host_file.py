"""Host files: one `name slots=N` per line, as horovodrun and Open MPI read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_SLOTS = re.compile(r"slots\s*=\s*(\S+)")


@dataclass(frozen=True)
class Place:
    name: str
    slots: int
    line: int = field(default=0, compare=False)  # of its host file


def read(path: Path) -> tuple[Place, ...]:
    return parse(_text(path), str(path))


def parse(text: str, source: str = "host file") -> tuple[Place, ...]:
    """All mistakes at once, each with its line, in one ValueError."""
    places, mistakes = _examined(text, source)
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return places


def understood(path: Path) -> tuple[Place, ...]:
    """The lines without a mistake, whatever the others are like."""
    try:
        return _examined(_text(path), str(path))[0]
    except ValueError:
        return ()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"host file {path} cannot be read: {error}") from None


def _examined(text: str, source: str) -> tuple[tuple[Place, ...], list[str]]:
    places: list[Place] = []
    mistakes: list[str] = []
    seen: dict[str, int] = {}
    for number, line in _entries(text):
        name, _, rest = line.partition(" ")
        try:
            place = Place(_checked_name(name), _slots(name, rest.strip()), number)
        except ValueError as error:
            mistakes.append(f"{source}:{number}: {error}")
            continue
        if name.lower() in seen:
            mistakes.append(f"{source}:{number}: host {name!r} is listed twice, first in line {seen[name.lower()]}")
            continue
        seen[name.lower()] = number
        places.append(place)
    if not places and not mistakes:
        mistakes.append(f"{source}: no host in it; expected lines like `node1 slots=4`")
    return tuple(places), mistakes


def _entries(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        stripped = " ".join(line.partition("#")[0].split())
        if stripped:
            yield number, stripped


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a host name or IPv4 address")
    return name


def _slots(name: str, rest: str) -> int:
    if not rest:
        raise ValueError(f"host {name!r} has no slots; write `{name} slots=N`")
    found = _SLOTS.fullmatch(rest)
    if not found:
        raise ValueError(f"{rest!r} after host {name!r} is not understood; write `{name} slots=N`")
    if not re.fullmatch(r"\d{1,5}", found[1]) or int(found[1]) < 1:
        raise ValueError(f"slots of host {name!r} is {found[1]}, must be a whole number of at least 1")
    return int(found[1])
