"""What is wrong with the values of a file by themselves: each mistake once, with its line, in words for people."""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from algorithms.mechanisms.suggest import nearest, unknown
from suite.experiment.salvage import Path as Place
from suite.experiment.salvage import left_out_with
from suite.experiment.toml_lines import nearest_line

Kind = TypeVar("Kind", bound=BaseModel)
_SCALAR = (bool, int, float, str)


@dataclass(frozen=True)
class Problem:
    line: int
    message: str

    def __lt__(self, other: Problem) -> bool:
        """In the order of the file; those of one line as people sort, for they may have lines of a host file in them."""
        return self._order() < other._order()

    def _order(self) -> tuple[int, list[tuple[str, int]]]:
        pieces = re.findall(r"(\D*)(\d*)", self.message)
        return self.line, [(text, int(number or 0)) for text, number in pieces]


class Findings:
    """What validation finds: what to tell, and the parts of the file that are wrong."""

    def __init__(self, lines: Mapping[Place, int]) -> None:
        self.lines = lines
        self.problems: list[Problem] = []
        self.wrong: set[Place] = set()

    def validate(self, kind: type[Kind], raw: Any, prefix: Place = ()) -> Kind | None:
        """`prefix`: where in the file `raw` stands."""
        try:
            # Through JSON, because only there does pydantic's strict mode take a list for a tuple.
            return kind.model_validate_json(json.dumps(raw, default=str), strict=True)
        except ValidationError as error:
            self._note(kind, raw, prefix, error.errors())
            return None

    def _note(self, kind: type[Kind], raw: Any, prefix: Place, errors: list[ErrorDetails]) -> None:
        meant = {_meant(kind, one["loc"]) for one in errors if one["type"] == "extra_forbidden"}
        self.wrong |= {left_out_with(prefix + path) for path in (*meant, *(one["loc"] for one in errors))}
        told: dict[Place, list[ErrorDetails]] = {}
        for one in errors:
            if one["type"] == "too_short" and any(_below(other, one) for other in errors if other is not one):
                continue  # elements that are wrong themselves were left out of the count
            if one["type"] == "missing" and one["loc"] in meant:
                continue  # it is there under a name with a mistake in it
            place = one["loc"] if one["type"] == "missing" else _written(raw, one["loc"])
            told.setdefault(prefix + place, []).append(one)
        for place, about in told.items():
            line = nearest_line(self.lines, place)
            message = _message(kind, about[0], place, [one["msg"] for one in about])
            self.problems += [Problem(line, text) for text in message.splitlines()]


def _meant(kind: type[BaseModel], path: Place) -> Place:
    """Where an unknown key may have been meant to stand."""
    near = nearest(path[-1], known_keys(kind, path[:-1]))
    return path if near is None else (*path[:-1], near)


def _message(kind: type[BaseModel], error: ErrorDetails, place: Place, wanted: list[str]) -> str:
    where = ".".join(map(str, place))
    if error["type"] == "extra_forbidden":
        return unknown("key", error["loc"][-1], known_keys(kind, error["loc"][:-1]))
    if error["type"] == "missing":
        return f"{where} is missing"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    given = error["input"]
    if error["type"] == "literal_error" and isinstance(given, str):
        return unknown(where, given, re.findall(r"'([^']*)'", error["ctx"]["expected"]))
    shown = f" = {json.dumps(given) if isinstance(given, bool) else repr(given)}" * isinstance(given, _SCALAR)
    return f"{where}{shown}: {_wish(wanted)}"


def _wish(messages: list[str]) -> str:
    """One sentence of what each of several types that are allowed says for itself."""
    begin = "Input should be a valid "
    if len(messages) > 1 and all(one.startswith(begin) for one in messages):
        *first, last = dict.fromkeys(one.removeprefix(begin) for one in messages)
        return f"{begin[0].lower()}{begin[1:]}{', '.join(first)} or {last}"
    return messages[0][0].lower() + messages[0][1:]


def _written(raw: Any, loc: Place) -> Place:
    """A place of the schema as it stands in the file, which has no names of types in it, and options without a table."""
    path: Place = ()
    for part in loc:
        inside: Any = raw if isinstance(raw, dict) else range(len(raw)) if isinstance(raw, list) else ()
        if part in inside:
            path, raw = (*path, part), raw[part]
        elif part != "options":
            break
    return path


def _below(error: ErrorDetails, other: ErrorDetails) -> bool:
    return error["loc"][: len(other["loc"])] == other["loc"]


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
