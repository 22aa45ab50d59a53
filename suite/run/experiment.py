"""An experiment file: one question, the axes that answer it, and what all its runs share. Strict: every mistake is found
before anything starts, and all are told at once with their lines.

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
    [[override]]
    where = { algorithm = "delayed" }
    set = { optimizer = { learning_rate = 0.005 } }
    [[exclude]]
    where = { framework = "tensorflow", workers = [4] }
"""

from __future__ import annotations

import inspect
import json
import re
import tomllib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from suite.run.experiment_file import ExperimentFile, Shared
from suite.run.toml_lines import locate, nearest_line
from suite.suggest import unknown

SHIPPED = Path(__file__).parent.parent / "experiments"

Kind = TypeVar("Kind", bound=BaseModel)


@dataclass(frozen=True, order=True)
class Problem:
    line: int
    message: str


class ExperimentError(ValueError):
    """Everything that is wrong with one file."""

    def __init__(self, name: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(f"{name}:{problem.line}: {problem.message}" for problem in self.problems))


@dataclass(frozen=True)
class Experiment:
    """A file that holds together, with what is needed to say where in it something stands."""

    name: str
    path: Path
    file: ExperimentFile
    shared: Mapping[str, Any]  # [run] as written, for overrides to be merged into
    lines: Mapping[tuple[str | int, ...], int]

    @property
    def source(self) -> str:
        """Its name if it is shipped, else its path."""
        return self.name if self.path.parent == SHIPPED else str(self.path)

    def problem(self, path: tuple[str | int, ...], message: str) -> Problem:
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
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", path.stem):
        message = f"the name {path.stem!r} becomes a folder: small letters, digits, '-' and '_' only"
        raise ExperimentError(path.name, [Problem(1, message)])
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        raise ExperimentError(path.name, [Problem(int(found[1]) if found else 1, f"not TOML: {error}")]) from error
    lines = locate(text)
    problems: list[Problem] = []
    file = _validate(ExperimentFile, raw, (), lines, problems)
    for index, override in enumerate(raw.get("override", ()) if isinstance(raw.get("override"), list) else ()):
        changes = override.get("set") if isinstance(override, dict) else None
        if isinstance(changes, dict):
            _validate(Shared, changes, ("override", index, "set"), lines, problems)
    if problems or file is None:
        raise ExperimentError(path.name, problems)
    return Experiment(path.stem, path, file, raw.get("run", {}), lines)


def _validate(
    kind: type[Kind],
    raw: Any,
    prefix: tuple[str | int, ...],
    lines: Mapping[tuple[str | int, ...], int],
    problems: list[Problem],
) -> Kind | None:
    try:
        # Through JSON, because only there does pydantic's strict mode take a list for a tuple.
        return kind.model_validate_json(json.dumps(raw, default=str), strict=True)
    except ValidationError as error:
        found = error.errors()
        for one in found:
            if one["type"] == "too_short" and any(_below(other, one) for other in found if other is not one):
                continue  # elements that are wrong themselves were left out of the count
            place = prefix + one["loc"]
            problems.append(Problem(nearest_line(lines, place), _message(kind, one, prefix)))
        return None


def _message(kind: type[BaseModel], error: Any, prefix: tuple[str | int, ...]) -> str:
    loc = error["loc"]
    where = ".".join(str(part) for part in (*prefix, *loc))
    if error["type"] == "extra_forbidden":
        return unknown("key", loc[-1], known_keys(kind, loc[:-1]))
    if error["type"] == "missing":
        return f"{where} is missing"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    given = error["input"]
    if error["type"] == "literal_error" and isinstance(given, str):
        return unknown(where, given, re.findall(r"'([^']*)'", error["ctx"]["expected"]))
    shown = f" = {given!r}" if isinstance(given, bool | int | float | str) else ""
    return f"{where}{shown}: {error['msg'][0].lower()}{error['msg'][1:]}"


def _below(error: Any, other: Any) -> bool:
    return bool(error["loc"][: len(other["loc"])] == other["loc"])


def known_keys(kind: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """The keys of the table at `path` below a schema."""
    here: Any = kind
    for part in path:
        if isinstance(part, str):
            models = [one for one in _models(here) if part in one.model_fields]
            if not models:
                return []
            here = models[0].model_fields[part].annotation
    return sorted(name for model in _models(here) for name in model.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if inspect.isclass(annotation) and typing.get_origin(annotation) is None and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in typing.get_args(annotation) for model in _models(inner)]
