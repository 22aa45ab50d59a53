"""A file of predictions that were written down before the runs that test them."""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from suite.record.part import Options, Part, Positive, PositiveNumber

SUFFIX = ".sealed"  # beside the records of its experiment
SMALL = f"{SUFFIX}.xz"  # the same, packed


class Expectation(Part):
    """Of every run of one specification: seconds of a step's worth of used work, with what nine of ten runs fall into."""

    identity: str
    label: str
    algorithm: str
    options: Options = Field(default_factory=dict)
    workers: Positive
    model: str = Field(default="", description="the net, as the experiment calls it")
    network: str = ""
    straggler: str | None = None
    alone: PositiveNumber | None = Field(
        default=None, description="seconds that a worker computes for, if nothing is slow"
    )
    seconds: PositiveNumber | None = None
    low: PositiveNumber | None = Field(default=None, description="None where nothing was calibrated")
    high: PositiveNumber | None = None
    floor: PositiveNumber | None = Field(default=None, description="bytes over the stated rate, and nothing else")
    line: PositiveNumber | None = Field(
        default=None, description="a straight line through what runs of its kind took, over the seconds its bytes need"
    )
    not_predicted: str | None = None


class Sealed(Part):
    """The content of the file; `hash` is over all the rest."""

    version: Literal[2] = 2
    experiment: str
    created: AwareDatetime
    commit: str | None = None
    code: str = Field(description="sha256 over the sources of suite/simulate and algorithms")
    calibration: str | None = Field(default=None, description="sha256 of its content; None: nothing was fitted")
    fitted: tuple[str, ...]
    expectations: tuple[Expectation, ...]
    hash: str = ""

    def digest(self) -> str:
        content = self.model_dump(mode="json", exclude={"hash"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Create the file; what is sealed is never written over."""
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(self.model_dump_json(exclude_none=True) + "\n")
        except FileExistsError:
            raise ValueError(f"{path} is there already: what is sealed is not written over") from None
        except OSError as error:
            raise ValueError(f"{path} cannot be written: {error.strerror}") from None

    @classmethod
    def read(cls, path: Path) -> Sealed:
        try:
            content = path.read_bytes()
            text = lzma.decompress(content) if path.name.endswith(SMALL) else content
            found = cls.model_validate_json(text.decode())
        except (OSError, UnicodeDecodeError, EOFError, lzma.LZMAError) as error:
            raise ValueError(f"{path} cannot be read: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        if found.hash != found.digest():
            raise ValueError(
                f"{path} is not as it was sealed: its hash is {found.digest()[:12]}, not {found.hash[:12]}"
            )
        return found


def files(folder: Path, experiment: str = "*") -> Iterable[Path]:
    """Of one experiment or of all, packed or not."""
    return sorted(path for suffix in (SUFFIX, SMALL) for path in folder.glob(f"{experiment}/*{suffix}"))


def pack(path: Path) -> Path:
    """Its content stays what it is."""
    small = path.with_name(path.name.removesuffix(SUFFIX) + SMALL)
    fresh = small.with_name(f".{small.name}.new")
    fresh.write_bytes(lzma.compress(path.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
    fresh.replace(small)  # whole before the other goes
    path.unlink()
    return small
