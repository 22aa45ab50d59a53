"""The environments that are tried, and what came of each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "environments"


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
        """Where it is made; what came of it stays beside it."""
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


def noted(row: Row, outcome: Outcome) -> None:
    row.beside("json").write_text(json.dumps(asdict(outcome), indent=2) + "\n")


def read(row: Row) -> Outcome | None:
    path = row.beside("json")
    return Outcome(**json.loads(path.read_text())) if path.exists() else None
