"""The folder of records: each created once and atomically, never rewritten; one writer at a time.

results/farandole-records.json        says that the folder is ours
results/<experiment>/<identity>-r<repetition>-a<attempt>.json
results/<experiment>/records.tar.xz   those that were packed, a tenth of the size; the same records
results/damaged/                      files that could not be read, set aside by the next sweep
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock

from suite.record import archive
from suite.record.outcome import Failed, Reason
from suite.record.reading import Contents, Unreadable, read_files, record
from suite.record.schema import SCHEMA_VERSION, Record
from suite.record.sealed import SUFFIX, Sealed
from suite.record.sealed import pack as pack_sealed

MARKER = "farandole-records.json"
DAMAGED = "damaged"
PLAIN = ".json"
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
        """Paths of files that should hold records, in a fixed order."""
        found = [
            path for name in (f"*{PLAIN}", archive.NAME) for path in self.folder.glob(f"{experiment or '*'}/{name}")
        ]
        return sorted(path for path in found if path.parent.name != DAMAGED)

    def damaged(self) -> list[Path]:
        """Files that were set aside."""
        return sorted((self.folder / DAMAGED).glob("*"))

    def read(self, experiment: str | None = None) -> Contents:
        self.check()
        found = read_files(self.files(experiment))
        aside = self.damaged() if experiment is None else []
        holes = tuple(Unreadable(path, "set aside earlier as damaged") for path in aside)
        order = sorted(
            found.records, key=lambda one: (one.experiment, one.created, one.sweep.position, one.identity, one.attempt)
        )
        return Contents(tuple(order), (*found.unreadable, *holes))


@dataclass(frozen=True)
class Writer:
    """The right to add records to a folder. Made by `Store.writing`."""

    folder: Path

    def set_aside_damaged(self) -> tuple[Unreadable, ...]:
        """Move damaged files out of the way, so that a resumed sweep runs those runs again; newer schemas stay."""
        moved = []
        for found in Store(self.folder).read().unreadable:
            if found.newer or found.path.parent.name == DAMAGED or not found.path.is_file():
                continue  # one that was packed stays beside those that are whole
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

    def pack(self, told: Callable[[str, int, int], None]) -> tuple[int, int]:
        """Make one file of all records of an experiment that can be read. How many bytes there were before, and are now.

        `told` the experiment, how many of its records are done, and of how many.
        """
        files = Store(self.folder).files()
        seals = sorted(self.folder.glob(f"*/*{SUFFIX}"))
        before = sum(path.stat().st_size for path in (*files, *seals))
        for home in sorted({path.parent for path in files}):
            _pack(home, functools.partial(told, home.name))
        packed = [pack_sealed(path) for path in seals]
        return before, sum(path.stat().st_size for path in (*Store(self.folder).files(), *packed))

    def next_attempt(self, experiment: str, identity: str, repetition: int) -> int:
        home, stem = self.folder / experiment, f"{identity[:16]}-r{repetition}-a"
        taken = (*archive.names(home / archive.NAME), *(path.name for path in home.glob(f"{stem}*{PLAIN}")))
        attempts = (name.removeprefix(stem).removesuffix(PLAIN) for name in taken if name.startswith(stem))
        return 1 + max(map(int, attempts), default=-1)

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


def _pack(home: Path, told: Callable[[int, int], None]) -> None:
    """What cannot be read stays as it is."""
    packed, loose = home / archive.NAME, []
    try:
        texts = archive.read(packed) if packed.is_file() else {}
    except archive.DAMAGE as error:
        raise StoreError(
            f"{packed} cannot be read ({error}), so nothing is added to it; restore it or move it away"
        ) from error
    for path in home.glob(f"*{PLAIN}"):
        text = path.read_bytes()
        if isinstance(record(path, text), Record):
            texts[path.name] = text
            loose.append(path)
    if loose:
        archive.write(packed, texts, told)
    for path in loose:
        path.unlink()


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
