"""Who may know whom. Read from the source, so that a forbidden import fails even where it is never executed."""

from __future__ import annotations

import ast
import functools
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAMEWORKS = {"torch", "tensorflow", "keras", "horovod"}
BINDINGS = (ROOT / "algorithms" / "torch", ROOT / "algorithms" / "tensorflow")
LIMIT = 300
TESTS = 500


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module that a file imports, at its top or inside a function."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)}: relative import"
            found.append(node.module or "")
    return tuple(found)


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def test_the_rules_below_see_something() -> None:
    assert len(modules("algorithms")) > 20
    assert any("horovod" in packages(path) for path in modules("algorithms/torch"))


def test_algorithms_never_know_the_suite() -> None:
    assert not [named(path) for path in modules("algorithms") if packages(path) & {"suite", "tests"}]


def test_algorithms_and_mechanisms_know_no_framework_and_no_binding() -> None:
    for path in modules("algorithms"):
        if not any(path.is_relative_to(binding) for binding in BINDINGS):
            assert not packages(path) & FRAMEWORKS, named(path)
            bindings = [
                name for name in imports(path) if name.startswith(("algorithms.torch", "algorithms.tensorflow"))
            ]
            assert not bindings, named(path)


@pytest.mark.parametrize(
    ("folder", "other"), [("torch", {"tensorflow", "keras"}), ("tensorflow", {"torch"})], ids=["torch", "tensorflow"]
)
def test_a_binding_knows_its_own_framework_only(folder: str, other: set[str]) -> None:
    rest = tuple({"algorithms.torch", "algorithms.tensorflow"} - {f"algorithms.{folder}"})
    for path in modules(f"algorithms/{folder}"):
        assert not packages(path) & other, named(path)
        assert not [name for name in imports(path) if name.startswith(rest)], named(path)


def test_in_the_suite_a_framework_is_imported_only_by_files_named_after_it() -> None:
    words = {"torch": ("torch",), "tensorflow": ("tensorflow", "keras"), "keras": ("tensorflow", "keras")}
    for path in modules("suite"):
        for package in packages(path) & FRAMEWORKS:
            allowed = words.get(package, ("torch", "tensorflow", "horovodrun", "rayrun"))
            assert any(word in path.stem for word in allowed), f"{named(path)} imports {package}"


def test_reports_know_records_only() -> None:
    known = (
        "suite.report",
        "suite.statistics",
        "suite.record.axes",
        "suite.record.host",
        "suite.record.learned",
        "suite.record.outcome",
        "suite.record.rank",
        "suite.record.reading",
        "suite.record.recovery",
        "suite.record.schema",
        "suite.record.sealed",
        "suite.record.store",
        "suite.record.specification",
        "suite.disturbance.judging",  # tells from records which were disturbed
        "suite.cluster.stragglers",  # reads the straggler that a record names
    )
    for path in modules("suite/report"):
        ours = [name for name in imports(path) if name.startswith("suite") and name != "suite"]
        assert all(name.startswith(known) for name in ours), named(path)


def test_the_nearest_name_is_looked_for_in_one_place() -> None:
    assert [named(path) for path in modules("algorithms", "suite") if "difflib" in imports(path)] == [
        "algorithms/mechanisms/suggest.py"
    ]


def test_nobody_asks_which_kind_of_network_it_is() -> None:
    """What is different about a kind it says itself (`suite/cluster/network.py`)."""
    asks = re.compile(r"network\.kind\s*(==|!=|in\b|not\b)")
    assert not [named(path) for path in modules("suite") if asks.search(path.read_text())]


def test_a_run_s_algorithm_is_made_in_one_place() -> None:
    """`Live` makes it for what runs, `AlgorithmChoice` for what people write."""
    calls = {named(path): len(re.findall(r"(?<!def )make_algorithm\(", path.read_text())) for path in modules("suite")}
    assert {name: count for name, count in calls.items() if count} == {
        "suite/experiment/axes.py": 1,
        "suite/experiment/live.py": 1,
    }


def test_setup_needs_nothing_but_the_standard_library() -> None:
    ours = ("suite.setup", "suite.horovod")
    for path in modules("suite/setup", "suite/horovod"):
        assert not packages(path) - set(sys.stdlib_module_names) - {"suite"}, named(path)
        assert all(name.startswith(ours) for name in imports(path) if name.startswith("suite.")), named(path)
    assert not imports(ROOT / "suite" / "__init__.py")  # set-up imports the package before anything is installed


def test_no_file_is_too_long() -> None:
    sizes = {named(path): len(path.read_text().splitlines()) for path in modules("algorithms", "suite", "tests")}
    assert not {name: size for name, size in sizes.items() if size > (TESTS if name.startswith("tests") else LIMIT)}


def test_every_module_says_what_it_is_for() -> None:
    paths = [path for path in modules("algorithms", "suite") if path.read_text().strip()]
    assert not [named(path) for path in paths if not ast.get_docstring(ast.parse(path.read_text()))]


LIVED = frozenset({"begun", "due", "read", "step_number"})  # where a worker stands in its life
CARRY_OUT = (
    "virtual/clock.py",
    "virtual/replay.py",
    "virtual/rounds.py",
    "mechanisms/quorum/worker.py",
    "torch/rounds/*.py",
    "tensorflow/rounds/*.py",
)


def kept(path: Path) -> set[str]:
    """The attributes that a file writes, and the fields of its classes."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            inner = [part for target in targets for part in ast.walk(target)]
            found |= {part.attr for part in inner if isinstance(part, ast.Attribute)}
        if isinstance(node, ast.ClassDef):
            fields = [part.target for part in node.body if isinstance(part, ast.AnnAssign)]
            found |= {field.id for field in fields if isinstance(field, ast.Name)}
    return found


def test_where_a_worker_stands_is_kept_by_its_life_alone() -> None:
    drivers = [path for pattern in CARRY_OUT for path in (ROOT / "algorithms").glob(pattern)]
    assert len(drivers) > 12
    for path in drivers:
        assert not kept(path) & LIVED, f"{named(path)} keeps what algorithms/life.py keeps"
    assert {"_due", "_read", "_step"} <= kept(ROOT / "algorithms" / "life.py"), "the rule above sees something"


def test_every_driver_carries_out_the_same_life() -> None:
    knows = {named(path) for path in modules("algorithms") if "algorithms.life" in imports(path)}
    for name in ("virtual/clock", "virtual/replay", "mechanisms/quorum/worker"):
        assert f"algorithms/{name}.py" in knows
    for name in ("torch/rounds/driver", "tensorflow/rounds/driver"):
        assert "algorithms.mechanisms.quorum.worker" in imports(ROOT / "algorithms" / f"{name}.py")


def test_a_class_name_stands_for_one_thing() -> None:
    """The same part of both bindings has the same name, in the file of the same name."""
    places: dict[str, set[str]] = {}
    for path in modules("algorithms"):
        part = re.sub(r"^algorithms/(torch|tensorflow)/", "", named(path))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, set()).add(part)
    assert not {name: sorted(found) for name, found in places.items() if len(found) > 1}
