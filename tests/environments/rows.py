"""The environments that are tried, and what came of each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "environments"
KEPT = Path(__file__).parent / "results.json"


@dataclass(frozen=True)
class Row:
    """One environment: a Python, and what somebody has put into it with pip."""

    python: str
    packages: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{' + '.join(self.packages)}, Python {self.python}"

    @property
    def folder(self) -> Path:
        """Where it is made."""
        short = "_".join(package.replace("==", "-").replace(".*", "") for package in self.packages)
        return FOLDER / f"{short}_python-{self.python}"

    def beside(self, kind: str) -> Path:
        return self.folder.with_name(f"{self.folder.name}.{kind}")


ROWS = (
    Row("3.11", ("torch==2.4.*",)),
    Row("3.12", ("torch==2.7.*",)),
    Row("3.12", ("torch==2.9.*",)),
    Row("3.13", ("torch==2.11.*",)),
    Row("3.11", ("torch==2.13.*",)),
    Row("3.11", ("tensorflow-cpu==2.16.*",)),
    Row("3.12", ("tensorflow-cpu==2.18.*",)),
    Row("3.13", ("tensorflow-cpu==2.21.*",)),
    Row("3.11", ("torch==2.13.*", "tensorflow-cpu==2.21.*")),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a row. A stage that failed says so in `failed`, and what follows it was not tried."""

    row: str
    versions: str = ""  # of what pip chose
    build_seconds: float | None = None  # of `farandole horovod build`, without a kept wheel
    trial: str = ""  # what two ranks trained
    import_ratio: float | None = None  # with algorithms over without, medians
    failed: str = ""


def kept() -> dict[str, Outcome]:
    """What came of the rows that have been tried, on this machine or another, by their names."""
    found = json.loads(KEPT.read_text()) if KEPT.exists() else []
    return {one["row"]: Outcome(**one) for one in found}


def noted(outcome: Outcome) -> None:
    """In the order of the rows; what an earlier try came to is forgotten."""
    known = kept() | {outcome.row: outcome}
    KEPT.write_text(json.dumps([asdict(known[row.name]) for row in ROWS if row.name in known], indent=2) + "\n")
