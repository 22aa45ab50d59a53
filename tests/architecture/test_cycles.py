"""No module imports itself by way of others, and the rooms of a run know each other in one direction only."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
# An adapter is made of the model of times that it is for, which asks for it by name; imported where it is used.
INSIDE_FUNCTIONS = frozenset({"suite.simulate"})
ROOMS = ("suite.record", "suite.experiment", "suite.rank", "suite.harness")  # each knows those before it


def modules() -> dict[str, Path]:
    paths = [path for top in ("algorithms", "suite") for path in (ROOT / top).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def executed(node: ast.AST, within_functions: bool) -> Iterator[ast.AST]:
    """What runs: not what is for type checkers."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if within_functions or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from executed(child, within_functions)


def imported(name: str, path: Path, known: Mapping[str, Path]) -> set[str]:
    inside = not name.startswith(tuple(INSIDE_FUNCTIONS))
    found: set[str] = set()
    for node in executed(ast.parse(path.read_text()), inside):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (full & known.keys()) or {node.module}
    return (found & known.keys()) - {name}


def cycles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Modules that reach themselves, each with those that it meets on the way back."""
    left = dict(graph)
    while loose := [name for name, others in left.items() if not others & left.keys()]:
        for name in loose:
            del left[name]  # leads nowhere that could lead back
    reach = {name: set(others & left.keys()) for name, others in left.items()}
    while any(grown := [name for name, to in reach.items() if not set().union(*(reach[one] for one in to)) <= to]):
        for name in grown:
            reach[name] |= set().union(*(reach[one] for one in reach[name]))
    return [{name, *(one for one in to if name in reach[one])} for name, to in reach.items() if name in to]


def test_a_cycle_is_seen() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert cycles(graph) == [{"b", "c"}, {"b", "c"}]


def test_no_module_imports_itself_by_way_of_others() -> None:
    known = modules()
    graph = {name: imported(name, path, known) for name, path in known.items()}
    assert sum(map(len, graph.values())) > 1000, "the rule sees something"
    assert not cycles(graph)


def test_the_rooms_of_a_run_know_each_other_in_one_direction() -> None:
    known = modules()
    for place, room in enumerate(ROOMS):
        for name, path in known.items():
            if name.startswith(f"{room}.") or name == room:
                later = [one for one in imported(name, path, known) if one.startswith(ROOMS[place + 1 :])]
                assert not later, f"{name} imports {later}"
