"""The folder of records: each created once and atomically, never rewritten; one writer at a time.

results/farandole-records.json        says that the folder is ours
results/<experiment>/<identity>-r<repetition>-a<attempt>.json
results/damaged/                      files that could not be read, set aside by the next sweep

A record that was packed (`.json.xz`, a fifth of the size, by `pack`; or `.json.gz`) is the same record.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import json
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
from pydantic import ValidationError

from suite.disturbance.judging import disturbed
from suite.record import lean
from suite.record.schema import SCHEMA_VERSION, Failed, Reason, Record
from suite.record.sealed import SUFFIX, Sealed
from suite.record.sealed import pack as pack_sealed

MARKER = "farandole-records.json"
DAMAGED = "damaged"
PLAIN = ".json"
PACKED = {".json.gz": gzip.decompress, ".json.xz": lzma.decompress}
SMALLEST = ".json.xz"
RESERVE = ".reserve"
LOCK = ".lock"
HOLDER = ".holder"
WORK = ".work"  # where runs that are under way keep their files
OWN = {LOCK, HOLDER, RESERVE, WORK}  # what a start that was cut short may leave
RESERVE_BYTES = 1 << 20  # room for a few hundred failed records without their samples, should the disk fill up


class StoreError(Exception):
    """One line about a folder of records that cannot be used; for people."""


class RecordExistsError(StoreError):
    """A record is never rewritten."""


class DiskFullError(StoreError):
    """Not even a record without samples could be written."""


@dataclass(frozen=True)
class Unreadable:
    """A file that is no record of ours: a hole that readers must show."""

    path: Path
    why: str
    newer: bool = False


@dataclass(frozen=True)
class Contents:
    records: tuple[Record, ...]
    unreadable: tuple[Unreadable, ...]

    def latest(self) -> tuple[Record, ...]:
        """One record per run that was asked for: the last attempt with a result, an undisturbed one where there is one."""
        troubled = disturbed(self.records)

        def worth(place: int) -> tuple[bool, bool, int]:
            record = self.records[place]
            return (not record.failed, place not in troubled, record.attempt)

        best: dict[tuple[str, str, int], int] = {}
        for place, record in enumerate(self.records):
            if record.key not in best or worth(place) > worth(best[record.key]):
                best[record.key] = place
        return tuple(self.records[place] for place in best.values())


class Store:
    """Reading needs nothing but the folder; writing happens inside `with store.writing():`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check(self) -> None:
        """Refuse a folder that holds other things than records of ours."""
        if self.folder.exists() and not self.folder.is_dir():
            raise StoreError(f"{self.folder} is not a folder")
        marker = self.folder / MARKER
        if not marker.exists():
            if self.folder.exists() and {entry.name for entry in self.folder.iterdir()} - OWN:
                raise StoreError(f"{self.folder} holds files but no {MARKER}: not a folder of records; choose another")
            return
        try:
            version = int(json.loads(marker.read_text())["schema_version"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{marker} is damaged ({error}); restore it or choose another folder") from error
        if version > SCHEMA_VERSION:
            raise StoreError(f"{self.folder} holds records of schema {version}; newest known here: {SCHEMA_VERSION}")

    @contextlib.contextmanager
    def writing(self) -> Iterator[Writer]:
        """Hold the folder for one sweep. The system releases the lock when the process ends, however it ends."""
        self.check()
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.folder / LOCK)
        holder = self.folder / HOLDER
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            who = holder.read_text().strip() if holder.exists() else "unknown"
            raise StoreError(f"another sweep (process {who}) is writing to {self.folder}") from None
        try:
            holder.write_text(f"{os.getpid()}\n")
            if not (self.folder / MARKER).exists():
                _write_atomically(self.folder / MARKER, json.dumps({"schema_version": SCHEMA_VERSION}).encode() + b"\n")
            yield Writer(self.folder)
        finally:
            holder.unlink(missing_ok=True)
            (self.folder / RESERVE).unlink(missing_ok=True)
            lock.release()

    def files(self, experiment: str | None = None) -> list[Path]:
        """Paths of what should be records, in a fixed order."""
        found = record_files(self.folder, f"{experiment or '*'}/*")
        return [path for path in found if path.parent.name != DAMAGED]

    def read(self, experiment: str | None = None) -> Contents:
        self.check()
        records: list[Record] = []
        unreadable: list[Unreadable] = []
        for path in self.files(experiment):
            read = read_record(path)
            if isinstance(read, Record):
                records.append(read)
            else:
                unreadable.append(read)
        if experiment is None:
            aside = record_files(self.folder / DAMAGED, "*")
            unreadable += [Unreadable(path, "set aside earlier as damaged") for path in aside]
        records.sort(key=lambda one: (one.experiment, one.created, one.sweep.position, one.identity, one.attempt))
        return Contents(tuple(records), tuple(unreadable))


@dataclass(frozen=True)
class Writer:
    """The right to add records to a folder. Made by `Store.writing`."""

    folder: Path

    def set_aside_damaged(self) -> tuple[Unreadable, ...]:
        """Move damaged files out of the way, so that a resumed sweep runs those runs again; newer schemas stay."""
        moved = []
        for found in Store(self.folder).read().unreadable:
            if found.newer or found.path.parent.name == DAMAGED:
                continue
            home = self.folder / DAMAGED
            home.mkdir(exist_ok=True)
            stem, _, suffix = found.path.name.partition(".")
            name = f"{found.path.parent.name}-{stem}"
            target = home / f"{name}.{len(list(home.glob(name + '*')))}.{suffix}"
            found.path.replace(target)
            moved.append(Unreadable(target, found.why))
        return tuple(moved)

    def reserve(self) -> None:
        """Keep some of the disk aside, so that a disk that fills up can still be written about."""
        with contextlib.suppress(OSError), (self.folder / RESERVE).open("wb") as file:
            file.write(b"\0" * RESERVE_BYTES)
            os.fsync(file.fileno())

    def add(self, record: Record) -> Path:
        """Create the record's file. On a full disk, a failed record without samples takes its place."""
        try:
            return self._create(record)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
        (self.folder / RESERVE).unlink(missing_ok=True)
        try:
            return self._create(
                without_samples(record, Reason.DISK, f"the disk filled up while recording in {self.folder}")
            )
        except OSError as error:
            raise DiskFullError(f"{self.folder}: {error.strerror}; nothing more can be recorded") from error
        finally:
            self.reserve()

    def seal(self, sealed: Sealed) -> Path:
        """Put predictions beside the records that will test them."""
        path = self.folder / sealed.experiment / f"{sealed.hash[:12]}{SUFFIX}"
        path.parent.mkdir(exist_ok=True)
        sealed.save(path)
        return path

    def pack(self, told: Callable[[Path], None]) -> tuple[int, int]:
        """Make every file of a record that can be read as small as it gets; bytes before and after. `told` of each."""
        before = after = 0
        for path in Store(self.folder).files():
            before += path.stat().st_size
            small = path
            if isinstance(read_record(path), Record) and not lean.newest(_content(path)):
                small = path.with_name(path.name.partition(".")[0] + SMALLEST)
                fresh = small.with_name(f".{small.name}.new")
                fresh.write_bytes(_packed(_content(path)))
                fresh.replace(small)  # whole before the other goes
                if small != path:
                    path.unlink()
            after += small.stat().st_size
            told(small)
        for path in self.folder.glob(f"*/*{SUFFIX}"):
            before += path.stat().st_size
            after += pack_sealed(path).stat().st_size
        return before, after

    def next_attempt(self, experiment: str, identity: str, repetition: int) -> int:
        taken = record_files(self.folder / experiment, f"{identity[:16]}-r{repetition}-a*")
        return 1 + max((int(path.name.partition(".")[0].rpartition("-a")[2]) for path in taken), default=-1)

    def _create(self, record: Record) -> Path:
        home = self.folder / record.experiment
        home.mkdir(exist_ok=True)
        path = home / f"{record.identity[:16]}-r{record.repetition}-a{record.attempt}{PLAIN}"
        _write_atomically(path, record.model_dump_json().encode() + b"\n")
        return path


def without_samples(record: Record, reason: Reason, message: str) -> Record:
    """The same run as a failed record that is small enough to fit anywhere."""
    return record.model_copy(
        update={
            "outcome": Failed(reason=reason, message=message),
            "ranks": (),
            "evaluations": (),
            "warnings": (*record.warnings, "the samples were lost when the disk filled up"),
        }
    )


def record_files(folder: Path, pattern: str) -> list[Path]:
    """Paths that match and are named as records are, in a fixed order."""
    return sorted(path for suffix in (PLAIN, *PACKED) for path in folder.glob(pattern + suffix))


def _content(path: Path) -> bytes:
    """Unpacked."""
    content = path.read_bytes()
    unpack = next((unpack for suffix, unpack in PACKED.items() if path.name.endswith(suffix)), None)
    return content if unpack is None else unpack(content)


def _whole(text: bytes) -> dict[str, Any]:
    """With the columns that were left out."""
    content: dict[str, Any] = json.loads(text)
    return lean.full(content) if lean.marked(text) else content


def _packed(text: bytes) -> bytes:
    ways = (json.dumps(one, separators=(",", ":")).encode() for one in lean.lean(_whole(text)))
    return min((lzma.compress(one, preset=9 | lzma.PRESET_EXTREME) for one in ways), key=len)


def read_record(path: Path) -> Record | Unreadable:
    try:
        text = _content(path)
        if lean.marked(text):
            return Record.model_validate(_whole(text))
        return Record.model_validate_json(text)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        return Unreadable(path, str(error))
    except ValidationError as error:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            version = json.loads(text)["schema_version"]
            if isinstance(version, int) and version > SCHEMA_VERSION:
                return Unreadable(path, f"written by a newer version (schema {version})", newer=True)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Unreadable(path, f"{where}: {first['msg']}" if where else first["msg"])


def read_files(paths: Iterable[Path]) -> Contents:
    """Records from single files, wherever they lie."""
    read = [read_record(path) for path in paths]
    return Contents(
        tuple(one for one in read if isinstance(one, Record)),
        tuple(one for one in read if isinstance(one, Unreadable)),
    )


def _write_atomically(path: Path, content: bytes) -> None:
    """The file appears whole or not at all, and never replaces one that is there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise RecordExistsError(f"{path} exists; records are never rewritten") from None
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)
