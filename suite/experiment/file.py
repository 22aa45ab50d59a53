"""An experiment file: one question, the axes that answer it, and what all its runs share. Strict: every mistake is found
before anything starts, and all are told at once with their lines: here the values that are wrong by themselves, and in
`suite.experiment.plan`, which raises, those that do not go together.

    question = "What does a slow network cost each algorithm?"
    repetitions = 3
    [run]
    batch_size = 8
    [axes]
    framework = ["torch"]
    model = ["alexnet", { name = "googlenet", image = 96 }]
    algorithm = ["synchronous", { name = "delayed", steps = 1 }]
    workers = [2, 4]
    network = ["local", { preset = "10GbE" }, { rate_mbit = 400 }, { file = "machines", interfaces = ["ib0"] }]
    [tuning]
    where = { seed = 0 }
    [[override]]
    where = { algorithm = "delayed" }
    set = { optimizer = { learning_rate = 0.005 } }
    [[exclude]]
    where = { framework = "tensorflow", workers = [4] }
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algorithms.mechanisms.suggest import unknown
from suite.experiment.salvage import Path as Place
from suite.experiment.salvage import relocated, without
from suite.experiment.schema import ExperimentFile, Shared
from suite.experiment.toml_lines import locate, nearest_line
from suite.experiment.validation import Findings, Problem

SHIPPED = Path(__file__).parent.parent / "experiments"


class ExperimentError(ValueError):
    """Everything that is wrong with one file."""

    def __init__(self, name: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(f"{name}:{problem.line}: {problem.message}" for problem in self.problems))


@dataclass(frozen=True)
class Experiment:
    """A file, less the values that are wrong by themselves, with what is needed to say where in it something stands."""

    name: str
    path: Path
    file: ExperimentFile
    shared: Mapping[str, Any]  # [run] as written, for overrides to be merged into
    lines: Mapping[Place, int]
    host_files: tuple[tuple[str, int], ...] = ()  # with the lines that name them
    problems: tuple[Problem, ...] = ()
    wrong: frozenset[Place] = frozenset()  # what was left out: nothing that depends on it is judged

    @property
    def source(self) -> str:
        """Its name if it is shipped, else its path."""
        return self.name if self.path.parent == SHIPPED else str(self.path)

    def problem(self, path: Place, message: str) -> Problem:
        return Problem(nearest_line(self.lines, path), message)


def load(where: str | Path) -> Experiment:
    """A path, or the name of a shipped experiment."""
    path = Path(where)
    if path.suffix != ".toml":
        shipped = sorted(file.stem for file in SHIPPED.glob("*.toml"))
        if str(where) not in shipped:
            raise ValueError(unknown("experiment", str(where), shipped) + " (or the path of a .toml file)")
        path = SHIPPED / f"{where}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Experiment:
    """An ExperimentError only where nothing can be made of the text; other mistakes are the experiment's `problems`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        raise ExperimentError(path.name, [Problem(int(at[1]) if at else 1, f"not TOML: {error}")]) from error
    found = Findings(locate(text))
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", path.stem):
        message = f"the name {path.stem!r} becomes a folder: small letters, digits, '-' and '_' only"
        found.problems.append(Problem(1, message))
    file = found.validate(ExperimentFile, raw)
    for index, override in enumerate(raw["override"] if isinstance(raw.get("override"), list) else ()):
        changes = override.get("set") if isinstance(override, dict) else None
        if isinstance(changes, dict):
            found.validate(Shared, changes, ("override", index, "set"))
    left = without(raw, found.wrong) if found.wrong else raw
    if found.wrong:
        file = None if left is None else found.validate(ExperimentFile, left)
    if left is None or file is None:
        raise ExperimentError(path.name, found.problems)
    return Experiment(
        name=path.stem,
        path=path,
        file=file,
        shared=left.get("run", {}),
        lines=relocated(found.lines, raw, found.wrong),
        host_files=_host_files(raw, found.lines),
        problems=tuple(found.problems),
        wrong=frozenset(found.wrong),
    )


def _host_files(raw: Mapping[str, Any], lines: Mapping[Place, int]) -> tuple[tuple[str, int], ...]:
    networks = raw["axes"].get("network")
    return tuple(
        (network["file"], nearest_line(lines, ("axes", "network", index, "file")))
        for index, network in enumerate(networks if isinstance(networks, list) else ())
        if isinstance(network, dict) and isinstance(network.get("file"), str)
    )
