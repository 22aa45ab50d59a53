"""What `make check` runs is everything that can be run at once, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.selection import ROOT, is_quick


@pytest.mark.parametrize("file", ["experiment/test_plan.py", "laws/test_virtual_laws.py", "report/test_golden.py"])
def test_what_computes_with_numpy_alone_is_quick(file: str) -> None:
    assert is_quick(ROOT / "tests" / file)


@pytest.mark.parametrize(
    "file",
    [
        "parallel/test_torch_rounds.py",  # a framework
        "training/test_sessions.py",  # by way of another file of the tests
        "torch/test_endings.py",  # ranks of its own
        "setup/test_stamp.py",  # other processes
        "cluster/test_emulated_hosts.py",  # networks
    ],
)
def test_what_starts_processes_or_frameworks_is_not(file: str) -> None:
    assert not is_quick(ROOT / "tests" / file)


def test_imports_inside_functions_count_and_circles_end(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def f():\n    from algorithms.torch import wire\n")
    assert not is_quick(tmp_path / "one.py")
    (tmp_path / "two.py").write_text("from tests.selection import is_quick\nfrom tests.patience import eventually\n")
    assert is_quick(tmp_path / "two.py")


def test_looking_for_them_imports_no_framework() -> None:
    code = "import pytest, sys; pytest.main(['--check', '--collect-only', '-q', '-p', 'no:cacheprovider'])\n"
    code += "print({'torch', 'tensorflow', 'keras', 'horovod'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    *collected, summary, imported = done.stdout.splitlines()
    assert imported == "set()", done.stdout[-2000:]
    assert len(collected) > 300
    assert "error" not in summary
