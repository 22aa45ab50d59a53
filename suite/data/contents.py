"""What a rank found in its data folder, small enough to be compared between ranks before training starts.

A label is a position in the list of classes. Ranks that see different folders would train on different meanings of the
same number, and nothing would fail: so they are compared, and the first difference is named.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from suite.data.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Contents:
    where: str
    classes: tuple[str, ...]
    samples: int
    samples_per_class: tuple[int, ...] = ()
    """Empty where a sample has an answer per position instead of one class."""
    digest: str
    """Over every sample's name and label, in order."""
    checked: str
    """How the files were verified: "md5", "structure", "generated"..."""


def digest(lines: Iterable[str]) -> str:
    state = hashlib.sha256()
    for line in lines:
        state.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return state.hexdigest()


def check_same(found: Sequence[Contents]) -> None:
    """Refuses ranks whose data differ; `found` holds one entry per rank, in rank order."""
    if not found:
        raise ValueError("found = []: one entry per rank")
    first = found[0]
    for rank, other in enumerate(found):
        if other.classes != first.classes:
            missing = [name for name in first.classes if name not in other.classes]
            extra = [name for name in other.classes if name not in first.classes]
            said = [f"lacks {missing[0]!r}"] if missing else []
            said += [f"also has {extra[0]!r}"] if extra else []
            raise DataError(
                other.where,
                f"rank {rank} has {len(other.classes)} classes and {' and '.join(said) or 'another order of them'}",
                f"the {len(first.classes)} classes of rank 0 in {first.where}",
            )
        # Empty where samples have no class: then the digest alone has to tell.
        for name, here, there in zip(first.classes, other.samples_per_class, first.samples_per_class, strict=False):
            if here != there:
                raise DataError(
                    other.where, f"rank {rank} has {here} samples of class {name!r}", f"{there} as on rank 0"
                )
        if other.digest != first.digest:
            raise DataError(
                other.where,
                f"rank {rank} has other samples or another order of them (digest {other.digest[:12]})",
                f"those of rank 0 in {first.where} (digest {first.digest[:12]})",
            )
