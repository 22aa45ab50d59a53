"""Records from files, wherever they lie, and what is wrong with those that are none."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from suite.disturbance.judging import disturbed
from suite.record import archive, lean
from suite.record.schema import SCHEMA_VERSION, Record


@dataclass(frozen=True)
class Unreadable:
    """A file that is no record of ours: a hole that readers must show."""

    path: Path  # of one that was packed: below that of the file it is in
    why: str
    newer: bool = False


@dataclass(frozen=True)
class Contents:
    records: tuple[Record, ...]
    unreadable: tuple[Unreadable, ...]

    def latest(self) -> tuple[Record, ...]:
        """One record per run that was asked for: its first undisturbed attempt with a result, else the last.

        The first ran among what it is compared with; there are more where an alarm of then is none any more.
        """
        troubled = disturbed(self.records)

        def worth(place: int) -> tuple[bool, bool, int]:
            record = self.records[place]
            calm = not record.failed and place not in troubled
            return (not record.failed, calm, -record.attempt if calm else record.attempt)

        best: dict[tuple[str, str, int], int] = {}
        for place, record in enumerate(self.records):
            if record.key not in best or worth(place) > worth(best[record.key]):
                best[record.key] = place
        return tuple(self.records[place] for place in best.values())


def read_files(paths: Iterable[Path]) -> Contents:
    """Records from files, wherever they lie."""
    read = [one for path in paths for one in _read(path)]
    return Contents(
        tuple(one for one in read if isinstance(one, Record)),
        tuple(one for one in read if isinstance(one, Unreadable)),
    )


def _read(path: Path) -> Iterator[Record | Unreadable]:
    try:
        if path.name != archive.NAME:
            yield record(path, path.read_bytes())
            return
        texts = archive.read(path)
    except archive.DAMAGE as error:
        yield Unreadable(path, str(error))
        return
    for name, text in texts.items():
        yield record(path / name, text)


def record(path: Path, text: bytes) -> Record | Unreadable:
    """From the text of a file, packed or not."""
    try:
        if lean.marked(text):
            return Record.model_validate(archive.whole(text))
        return Record.model_validate_json(text)
    except ValidationError as error:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            version = json.loads(text)["schema_version"]
            if isinstance(version, int) and version > SCHEMA_VERSION:
                return Unreadable(path, f"written by a newer version (schema {version})", newer=True)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Unreadable(path, f"{where}: {first['msg']}" if where else first["msg"])
