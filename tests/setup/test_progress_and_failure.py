"""What set-up shows of a build's log: how far it is, and what really went wrong."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from suite.setup import failure, progress

BROKEN_BUILD = """
  [ 56%] Built target gloo
  [ 57%] Building CXX object horovod/torch/CMakeFiles/pytorch.dir/__/common/common.cc.o
  /include/c10/util/Half.h:12:3: warning: unused variable 'x' [-Wunused]
  /include/ATen/core/Tensor.h:4:2: error: #error C++20 or later compatible compiler is required to use PyTorch.
  make[2]: *** [CMakeFiles/pytorch.dir/build.make:76: common.cc.o] Error 1
  subprocess.CalledProcessError: Command '['cmake', '--build', '.']' returned non-zero exit status 2.
  error: subprocess-exited-with-error
  ERROR: Failed building wheel for horovod
ERROR: Failed to build one or more wheels
""".strip().splitlines()


def test_percent_and_file_are_read_from_cmakes_lines() -> None:
    line = "  [ 58%] Building CXX object horovod/torch/CMakeFiles/pytorch.dir/__/common/controller.cc.o"
    assert progress.build_percent(line) == 58
    assert progress.build_step(line) == " 58 %  controller.cc"
    assert progress.build_step("  [100%] Built target pytorch") == "100 %"
    assert progress.build_step("copying horovod/__init__.py") is None


def test_packages_are_read_from_pips_lines() -> None:
    assert progress.install_step("Collecting torch==2.13.0") == "torch==2.13.0"
    assert progress.install_step("  Downloading numpy-2.4.6-cp311.whl (16 MB)") == "numpy-2.4.6-cp311.whl"
    assert progress.install_step("Installing collected packages: a, b") == "unpacking"
    assert progress.install_step("Requirement already satisfied: pip") is None


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_that_changes() -> None:
    clock, out = Clock(), Terminal()
    display = progress.Display("Building", out, clock)
    display.show(" 10 %")
    clock.now = 75
    display.show()
    display.close("done")
    assert out.getvalue() == "\r\033[KBuilding  0:00   10 %\r\033[KBuilding  1:15   10 %\r\033[KBuilding  1:15  done\n"


def test_a_file_gets_a_line_now_and_then() -> None:
    clock, out = Clock(), io.StringIO()
    display = progress.Display("Building", out, clock)
    for clock.now in range(60):
        display.show(f"{int(clock.now)} %")
    display.close("done")
    assert out.getvalue().splitlines() == [
        "Building  0:00  0 %",
        "Building  0:20  20 %",
        "Building  0:40  40 %",
        "Building  0:59  done",
    ]


def test_a_command_leaves_its_output_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    display = progress.Display("x", io.StringIO())
    command = [sys.executable, "-c", "print('[ 50%] half'); raise SystemExit(3)"]
    code = progress.run(command, log=log, display=display, step=progress.build_step)
    assert code == 3
    assert "[ 50%] half" in log.read_text()
    assert display.step == " 50 %"


def test_the_compilers_error_is_found_and_pips_noise_is_not() -> None:
    assert failure.causes(BROKEN_BUILD) == [
        "/include/ATen/core/Tensor.h:4:2: error: #error C++20 or later compatible compiler is required to use PyTorch."
    ]


def test_what_cmake_says_stands_below_its_error() -> None:
    log = [
        "CMake Error at CMakeLists.txt:21 (message):",
        "  this PyTorch installation",
        "  does not support CUDA.",
        "",
        "x",
    ]
    assert failure.causes([*log, "except ImportError as error:"]) == [line.strip() for line in log[:3]]


def test_an_explanation_names_error_log_and_remedy() -> None:
    text = failure.explanation("Horovod could not be built:", BROKEN_BUILD, "/cache/build.log")
    assert text.splitlines()[0] == "Horovod could not be built:"
    assert "Tensor.h:4:2: error" in text
    assert "The full log: /cache/build.log" in text
    assert "What to do: " in text


def test_a_log_without_an_error_shows_its_end() -> None:
    assert "line 99" in failure.explanation("x", [f"line {n}" for n in range(100)], "/log")


def test_a_build_that_was_killed_says_so_and_blames_nothing_else() -> None:
    text = failure.explanation("x:", ["c++ -DHAVE_NCCL=1 -c allgather.cc"], "/log", code=-15)
    assert "ended by SIGTERM" in text
    assert "NCCL was not found" not in text


def test_only_errors_choose_the_remedy() -> None:
    assert "NCCL was not found" not in failure.explanation("x:", ["c++ -DHAVE_NCCL=1 -c allgather.cc"], "/log")


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("g++: fatal error: Killed signal terminated program cc1plus", "JOBS=1"),
        ("/tmp/cc.s: fatal error: error writing: No space left on device", "TMPDIR"),
        ("CMake Error: Could NOT find MPI (missing: MPI_CXX_FOUND)", "MPI=off"),
        ("CMake Error at FindCUDAToolkit.cmake:855: Could not find nvcc", "CUDA toolkit"),
        ("ERROR: No matching distribution found for torch==2.13.0+cpu", "PIP_FIND_LINKS"),
        ("ERROR: HTTPSConnection: NameResolutionError: Failed to resolve", "network"),
        ("foo.cc:1:2: error: expected ';'", "CXX="),
    ],
)
def test_known_errors_get_their_remedy(line: str, advice: str) -> None:
    assert failure.causes([line]) == [line]
    assert advice in failure.remedy([line])
