"""What is left of an experiment file without the values that are wrong by themselves.

It is what combinations are checked with, so that whoever wrote the file hears of both kinds of mistake in one go. What
had to be left out is known by its path: nothing that depends on it is judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from suite.experiment.toml_lines import nearest_line

Path = tuple[str | int, ...]

# In place of an axis without a right value. They never run: a file with a mistake has no plan.
_STAND_INS = {"framework": ["torch"], "model": ["lenet"], "algorithm": ["synchronous"]}
_NOTHING: Mapping[str, Any] = {"framework": []}  # the `where` that selects no run
# How much of a path names what can be left out alone: an element of an axis, a setting, a word of a selection.
_DEPTH = {"axes": 3, "run": 2, "override": 4, "exclude": 4}


def left_out_with(path: Path) -> Path:
    """The smallest part of the file that can be left out to be rid of a mistake."""
    return path[: _DEPTH.get(str(path[0]), 1)] if path else path


def without(raw: Mapping[str, Any], wrong: set[Path]) -> dict[str, Any] | None:
    """None if what is wrong leaves nothing to combine. Axes that lose all their elements are added to `wrong`."""
    if not isinstance(raw.get("axes"), dict) or wrong & {("axes",), ("exclude",)}:
        return None
    left: dict[str, Any] = {"question": "?"} | _less(raw, (), wrong)
    axes = left["axes"]
    wrong |= {("axes", axis) for axis, values in axes.items() if not values}
    left["axes"] = _STAND_INS | {axis: values for axis, values in axes.items() if values}
    for kind in {"override", "exclude"} & left.keys():
        left[kind] = [_selection(entry, (kind, index), wrong) for index, entry in enumerate(raw[kind])]
    return left


def _less(value: Any, path: Path, wrong: Set[Path]) -> Any:
    if isinstance(value, dict):
        return {key: _less(item, (*path, key), wrong) for key, item in value.items() if (*path, key) not in wrong}
    if isinstance(value, list):
        return [_less(item, (*path, at), wrong) for at, item in enumerate(value) if (*path, at) not in wrong]
    return value


def _selection(entry: Any, path: Path, wrong: Set[Path]) -> dict[str, Any]:
    """Without a wrong word it selects more. An exclude then hides runs that may be meant to be left out."""
    lost = wrong & {path, (*path, "where"), (*path, "set")}
    left = {"where": {}, "set": {}} if lost else _less(entry, path, wrong)
    if lost or (entry["where"] and not left["where"]):
        left["where"] = _NOTHING
    return left if path[0] == "override" else {"where": left["where"]}


def relocated(lines: Mapping[Path, int], raw: Mapping[str, Any], wrong: Set[Path]) -> dict[Path, int]:
    """The lines, once the elements of an axis have moved up into the place of those left out."""
    moved = dict(lines)
    for axis, values in raw["axes"].items():
        if isinstance(values, list):
            kept = [index for index in range(len(values)) if ("axes", axis, index) not in wrong]
            moved |= {("axes", axis, new): nearest_line(lines, ("axes", axis, old)) for new, old in enumerate(kept)}
    return moved
