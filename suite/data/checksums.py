"""md5 sums of files: published ones, the user's own (a file as `md5sum` writes it), or none."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from suite.data.errors import DataError

PUBLISHED, NONE = "published", "none"


def wanted(chosen: str, published: Mapping[str, str]) -> Mapping[str, str]:
    """File name -> md5, from the choice "published", "none" or the path of an md5sum file."""
    if chosen == PUBLISHED:
        return published
    if chosen == NONE:
        return {}
    return _read(Path(chosen))


def verify(path: Path, sums: Mapping[str, str]) -> bool:
    """True: checked and right. False: no sum is known for this file. Wrong: DataError."""
    expected = sums.get(path.name)
    if expected is None:
        return False
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != expected:
        raise DataError(path, f"md5 {found}", f"md5 {expected}")
    return True


def _read(path: Path) -> Mapping[str, str]:
    if not path.is_file():
        raise DataError(path, "no such file", f"a file as md5sum writes it, or the words {PUBLISHED!r} or {NONE!r}")
    sums = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        match = re.fullmatch(r"([0-9a-fA-F]{32}) [ *](.+)", line.strip())
        if match is None:
            raise DataError(path, f"line {number} is {line!r}", "32 hexadecimal digits, two blanks, a file name")
        sums[Path(match[2]).name] = match[1].lower()
    return sums
