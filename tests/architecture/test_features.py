"""What the wrapper can in which framework: the README's table is what the code takes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What a framework asks of every optimizer, and what is there for the binding's own use.
EXPECTED_OF_ALL = {
    "torch": "add_param_group defaults load_state_dict param_groups state state_dict step zero_grad algorithm go_on rewind",
    "tensorflow": "apply build exclude_from_weight_decay finalize_variable_values from_config get_config iterations "
    "learning_rate load_own_variables loss_scale_factor save_own_variables scale_loss variables driver name=",
}
COLUMNS = {"torch": 2, "tensorflow": 3}


def offered(framework: str) -> set[str]:
    """Arguments of the wrapper, and what it has beside what every optimizer of the framework has."""
    tree = ast.parse((ROOT / "algorithms" / framework / "optimizer.py").read_text())
    (wrapper,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "DistributedOptimizer")
    found: set[str] = set()
    for node in wrapper.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        if node.name == "__init__":
            found |= {f"{argument.arg}=" for argument in node.args.kwonlyargs}
        elif not node.name.startswith("_"):
            plain = any(isinstance(d, ast.Name) and d.id == "property" for d in node.decorator_list)
            found.add(node.name if plain else f"{node.name}()")
    return {name for name in found if name.removesuffix("()") not in EXPECTED_OF_ALL[framework].split()}


def table() -> dict[str, list[str]]:
    readme = (ROOT / "README.md").read_text()
    found = re.search(r"^\| asked by \|.*?(?=\n\n)", readme, re.MULTILINE | re.DOTALL)
    assert found, "README.md has no table of what each framework can"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[0].splitlines()[2:]]
    return {name.strip("`"): row for row in rows for name in row[0].split(", ")}


@pytest.mark.parametrize("framework", COLUMNS)
def test_the_table_says_what_the_wrapper_takes(framework: str) -> None:
    said = {name for name, row in table().items() if row[COLUMNS[framework]] == "yes"}
    has = offered(framework)
    assert said == has, f"README.md: rows missing or wrong for {framework}: {sorted(said ^ has)}"


def test_what_a_framework_lacks_has_its_reason() -> None:
    assert all(row[column] for row in table().values() for column in COLUMNS.values())
