"""`ls algorithms/` is the catalogue, and the README shows it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import algorithms
from algorithms.contract import Exchange
from suite.cli.catalogue import summary

ROOT = Path(__file__).parents[2]
NO_ALGORITHM = {"__init__", "contract", "life"}


def test_every_file_is_an_algorithm_and_every_algorithm_has_a_file() -> None:
    files = {path.stem for path in (ROOT / "algorithms").glob("*.py")} - NO_ALGORITHM
    assert files == set(algorithms.CATALOGUE)


def test_names_agree() -> None:
    for name, kind in algorithms.CATALOGUE.items():
        assert kind.name == name
        assert kind.__module__ == f"algorithms.{name}"
        assert getattr(algorithms, kind.__name__) is kind
        assert kind.__name__ in algorithms.__all__


def test_algorithms_are_frozen_and_every_option_is_named() -> None:
    for kind in algorithms.CATALOGUE.values():
        assert dataclasses.is_dataclass(kind)
        parameters = kind.__dataclass_params__  # type: ignore[attr-defined]
        assert parameters.frozen
        assert all(field.kw_only for field in dataclasses.fields(kind))


def table() -> str:
    """The README's table as it has to be."""
    rows = [
        f"| `{name}` | `{kind.__name__}` | {summary(kind)}{' (virtual cluster only)' if kind.virtual_only else ''} "
        f"| {'average' if issubclass(kind, Exchange) and kind.reduces else 'own'} |"
        for name, kind in algorithms.CATALOGUE.items()
    ]
    return "\n".join(["| name | class | what it does | gradient |", "|---|---|---|---|", *rows])


def test_the_readme_shows_the_catalogue() -> None:
    readme = (ROOT / "README.md").read_text()
    found = re.search(r"^\| name \| class \|.*?(?=\n\n)", readme, re.MULTILINE | re.DOTALL)
    assert found, "README.md has no table of algorithms"
    assert found[0] == table(), f"README.md must show:\n\n{table()}\n"


def test_every_path_that_the_readme_names_exists() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text()
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (ROOT / target).exists(), f"{page}: {target}"
        for target in re.findall(r'(?:src|srcset)="([^"]+)"', text):
            assert (ROOT / target).exists(), f"{page}: {target}"
        for path in re.findall(r"`((?:algorithms|suite|tests|reports)/[\w./-]*)`", text):
            assert (ROOT / path).exists(), f"{page}: {path}"
