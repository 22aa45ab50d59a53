"""All records of an experiment in one file, `records.tar.xz`: what one shares with another is written once.

Its members are named as the records' own files are and hold their JSON, less the columns that `lean` leaves out.
"""

from __future__ import annotations

import functools
import io
import json
import lzma
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from suite.record import lean

NAME = "records.tar.xz"
DAMAGE = (OSError, EOFError, lzma.LZMAError, tarfile.TarError)


def read(path: Path) -> dict[str, bytes]:
    """The texts of all records by name. Raises what is in DAMAGE where it is not whole."""
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(path.read_bytes()))) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def names(path: Path) -> tuple[str, ...]:
    """Of its records; none where there is no such file."""
    return _names(path, path.stat().st_mtime_ns) if path.is_file() else ()


@functools.lru_cache(maxsize=8)  # a sweep asks before every run
def _names(path: Path, changed: int) -> tuple[str, ...]:
    return tuple(read(path))


def write(path: Path, texts: Mapping[str, bytes], told: Callable[[int, int], None]) -> None:
    """Put these in the place of what is there; the same bytes for the same records. `told` how many are done, of all."""
    fresh = path.with_name(f".{path.name}.new")
    with lzma.open(fresh, "wb", preset=9 | lzma.PRESET_EXTREME) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for done, (name, text) in enumerate(sorted(texts.items()), 1):
            small = _small(text)
            member = tarfile.TarInfo(name)
            member.size = len(small)
            tar.addfile(member, io.BytesIO(small))
            told(done, len(texts))
    fresh.replace(path)  # whole before the other goes


def whole(text: bytes) -> dict[str, Any]:
    """The content of a record, with the columns that were left out."""
    content: dict[str, Any] = json.loads(text)
    return lean.full(content) if lean.marked(text) else content


def _small(text: bytes) -> bytes:
    if lean.newest(text):
        return text
    ways = (json.dumps(one, separators=(",", ":")).encode() for one in lean.lean(whole(text)))
    return min(((len(lzma.compress(one)), one) for one in ways), key=lambda way: way[0])[1]
