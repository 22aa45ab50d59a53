"""Building and keeping the wheel, with a pip that only pretends."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from suite.setup import wheel
from suite.setup.recipe import BuildKey
from suite.setup.wheel import SetupError, Shelf

KEY = BuildKey("0.28.1", "2.13.0+cpu", "2.21.0", "CPython-3.11", "Linux-x86_64", "g++ 12.2.0", "", "")

FETCHES = """
import io, pathlib, sys, tarfile
if sys.argv[3] == "download":
    folder = pathlib.Path(sys.argv[sys.argv.index("--dest") + 1])
    with tarfile.open(folder / "horovod-0.28.1.tar.gz", "w:gz") as packed:
        packed.addfile(tarfile.TarInfo("horovod-0.28.1/setup.py"), io.BytesIO())
    raise SystemExit
source = pathlib.Path(sys.argv[-1])
assert (source / "setup.py").exists()
"""
WORKS = (
    FETCHES
    + """
print("  [ 50%] Building CXX object horovod/torch/CMakeFiles/pytorch.dir/mpi_ops_v2.cc.o")
folder = pathlib.Path(sys.argv[sys.argv.index("--wheel-dir") + 1])
compiled = source / "compiled"
wheel = folder / "horovod-0.28.1-cp311-cp311-linux_x86_64.whl"
wheel.write_text(compiled.read_text() if compiled.exists() else "a wheel")
"""
)
FAILS = (
    FETCHES
    + """
print("  [ 50%] Building CXX object horovod/torch/CMakeFiles/pytorch.dir/mpi_ops_v2.cc.o")
print("  mpi_ops_v2.cc:1:10: fatal error: torch/extension.h: No such file or directory")
print("  error: subprocess-exited-with-error")
raise SystemExit(1)
"""
)
CUT = (
    FETCHES
    + """
import os, signal
(source / "compiled").write_text("the first half")
os.kill(os.getppid(), signal.SIGKILL)
"""
)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf.of(KEY, {"XDG_CACHE_HOME": str(tmp_path / "cache")})


def build(shelf: Shelf, tmp_path: Path, pip: str) -> Path:
    """Run the build in an environment whose Python runs `pip` whatever it is asked for."""
    script = tmp_path / "pip.py"
    script.write_text(pip)
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    python.chmod(0o755)
    environment = {"CXX": str(tmp_path / "tools" / "c++"), "MAKEFLAGS": "-j2", "PATH": "/usr/bin:/bin"}
    return wheel.build(shelf, KEY, "/usr/bin/g++", environment, python)


def test_a_built_wheel_is_kept_with_its_log(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built = build(shelf, tmp_path, WORKS)
    assert shelf.wheel() == built
    assert built.read_text() == "a wheel"
    assert "mpi_ops_v2.cc.o" in shelf.log.read_text()
    assert '"torch": "2.13.0+cpu"' in shelf.log.read_text()
    said = capsys.readouterr().out
    assert "3 to 10 minutes" in said  # before it starts
    assert str(shelf.log) in said


def test_a_build_that_was_cut_goes_on_and_a_failed_one_begins_anew(shelf: Shelf, tmp_path: Path) -> None:
    """Cut as a time limit cuts: the whole process, at once."""
    child = multiprocessing.get_context("fork").Process(target=build, args=(shelf, tmp_path, CUT))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert shelf.wheel() is None
    assert build(shelf, tmp_path, WORKS).read_text() == "the first half", "what was compiled is taken"
    assert not shelf.source.exists()
    shelf.drop()
    with pytest.raises(SetupError):
        build(shelf, tmp_path, FAILS)
    assert not shelf.source.exists(), "CMake would remember what it did not find"


def test_a_failed_build_leaves_no_wheel_and_says_why(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught:
        build(shelf, tmp_path, FAILS)
    assert shelf.wheel() is None
    text = str(caught.value)
    assert "mpi_ops_v2.cc:1:10: fatal error: torch/extension.h" in text
    assert "subprocess-exited-with-error" not in text
    assert f"The full log: {shelf.log}" in text
    assert "What to do:" in text


def test_the_stand_in_for_the_compiler_runs_the_real_one_with_changed_arguments(tmp_path: Path) -> None:
    real = tmp_path / "real c++"
    real.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    real.chmod(0o755)
    wheel.write_compiler(tmp_path / "tools" / "c++", str(real))
    done = subprocess.run(
        [str(tmp_path / "tools" / "c++"), "-std=c++14", "-g", "-DNAME=a b", "x.cc"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["-std=gnu++20", "-DNAME=a b", "x.cc"]
