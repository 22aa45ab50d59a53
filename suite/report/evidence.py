"""What lies in a folder of records, read as it is: holes are kept, nothing is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from algorithms.mechanisms.suggest import unknown
from suite.disturbance.judging import disturbed
from suite.record.reading import Contents, read_files
from suite.record.schema import Record
from suite.record.sealed import Sealed
from suite.record.sealed import files as sealed_files
from suite.record.store import Store


@dataclass(frozen=True)
class Hole:
    """A file that should be a record and cannot be read."""

    file: str  # below the folder of records, so that a report does not depend on where that is
    why: str
    newer: bool


@dataclass(frozen=True)
class Evidence:
    """Of every run the attempt that counts, in a fixed order."""

    records: tuple[Record, ...] = ()
    holes: tuple[Hole, ...] = ()
    superseded: int = 0  # other attempts at runs that were tried again
    disturbed: Mapping[tuple[str, str, int], tuple[str, ...]] = field(default_factory=dict)  # by key: by what
    sealed: tuple[Sealed, ...] = ()  # predictions, the oldest first


class EvidenceError(ValueError):
    """The folder cannot be what was meant; one line."""


def read(folder: Path, experiment: str | None = None) -> Evidence:
    """A folder that is missing or empty is evidence of nothing; a file in its place is a mistake."""
    if folder.exists() and not folder.is_dir():
        raise EvidenceError(f"{folder} is a file, not a folder of records")
    store = Store(folder)
    names = sorted({path.parent.name for path in store.files()}) if folder.exists() else []
    if experiment is not None and not names:
        raise EvidenceError(f"there are no records in {folder}, so none of experiment {experiment!r} either")
    if experiment is not None and experiment not in names:
        raise EvidenceError(unknown("experiment in this folder", experiment, names))
    files = store.files(experiment) if folder.exists() else []
    aside = store.damaged() if experiment is None else []
    contents = read_files(files)
    holes = [Hole(_below(one.path, folder), one.why, one.newer) for one in contents.unreadable]
    holes += [Hole(_below(path, folder), "set aside as damaged by a later sweep", False) for path in aside]
    sealed, broken = _sealed(folder, experiment)
    return replace(of_records(contents.records, (*holes, *broken)), sealed=sealed)


def _sealed(folder: Path, experiment: str | None) -> tuple[tuple[Sealed, ...], tuple[Hole, ...]]:
    found, holes = [], []
    for path in sealed_files(folder, experiment or "*"):
        try:
            found.append(Sealed.read(path))
        except ValueError as error:
            holes.append(Hole(_below(path, folder), str(error).replace(str(path), path.name), False))
    return tuple(sorted(found, key=lambda one: (one.created, one.hash))), tuple(holes)


def of_records(records: tuple[Record, ...], holes: tuple[Hole, ...] = ()) -> Evidence:
    latest = Contents(records, ()).latest()
    ordered = sorted(latest, key=lambda one: (one.experiment, one.created, one.sweep.position, one.identity))
    counting = {(*one.key, one.attempt) for one in latest}
    troubled = {
        records[place].key: texts
        for place, texts in disturbed(records).items()
        if (*records[place].key, records[place].attempt) in counting
    }
    return Evidence(_with_environment(tuple(ordered)), holes, len(records) - len(latest), troubled)


def environments(records: tuple[Record, ...]) -> dict[str, str]:
    """Digest of an environment -> E1, E2 ... in the order in which they were first met."""
    ordered = sorted((record for record in records if record.hosts), key=lambda one: (one.created, one.identity))
    digests = dict.fromkeys(record.environment for record in ordered)
    return {digest: f"E{number}" for number, digest in enumerate(digests, start=1)}


def _with_environment(records: tuple[Record, ...]) -> tuple[Record, ...]:
    """A run that failed before any host could say what it is ran where its sweep ran, if that was one place."""
    seen: dict[str, Counter[str]] = {}
    for record in records:
        if record.hosts:
            seen.setdefault(record.sweep.identifier, Counter())[record.environment] += 1
    hosts = {record.environment: record.hosts for record in records if record.hosts}
    found = []
    for record in records:
        known = seen.get(record.sweep.identifier, Counter())
        if not record.hosts and len(known) == 1:
            (place,) = known
            # Only to group by: the ranks of the stand-ins belong to another run.
            stand_ins = tuple(host.model_copy(update={"ranks": ()}) for host in hosts[place])
            record = record.model_copy(update={"hosts": stand_ins})
        found.append(record)
    return tuple(found)


def only(evidence: Evidence, experiment: str) -> Evidence:
    return replace(
        evidence,
        records=tuple(one for one in evidence.records if one.experiment == experiment),
        sealed=tuple(one for one in evidence.sealed if one.experiment == experiment),
    )


def _below(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
