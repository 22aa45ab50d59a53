"""The way to an environment with Horovod, with a pip and ranks that only pretend; and the command line."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import suite.__main__ as entry
from suite.horovod import building, command
from suite.horovod.building import Wish
from suite.setup import recipe
from suite.setup.wheel import SetupError

ROOT = Path(__file__).parents[2]
# Processes that import a framework, and ranks: a busy machine is no failure.
pytestmark = pytest.mark.timeout(600)


class World:
    """What would be compiled, installed and proven."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cache: Path, answers: list[str]) -> None:
        self.did: list[str] = []
        self.answers = answers
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        monkeypatch.delenv("VIRTUAL_ENV", raising=False)
        monkeypatch.setattr(building, "proof", self.proof)
        monkeypatch.setattr(building, "pip", lambda title, arguments, shelf: self.did.append(title))
        monkeypatch.setattr(building, "compiled", self.compiled)

    def proof(self, code: str) -> str:
        self.did.append("proof")
        return self.answers.pop(0) if self.answers else ""

    def compiled(self, shelf: building.Shelf, *_: object, **__: object) -> Path:
        self.did.append("compiled")
        shelf.folder.mkdir(parents=True, exist_ok=True)
        path = shelf.folder / "horovod-0.28.1-cp311.whl"
        path.touch()
        return path


INSTALLED = ["Installing Horovod", "Installing what it needs"]


def test_what_works_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = World(monkeypatch, tmp_path, [])
    building.build(Wish())
    assert world.did == ["proof", "proof"]  # both frameworks of this environment


def test_a_fresh_environment_is_built_installed_and_proven(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = World(monkeypatch, tmp_path, ["no Horovod"])
    building.build(Wish())
    assert world.did == ["proof", "compiled", *INSTALLED, "proof", "proof"]
    world.did, world.answers = [], ["no Horovod"]
    building.build(Wish())
    assert world.did == ["proof", *INSTALLED, "proof", "proof"], "the kept wheel is taken"
    world.did = []
    building.build(Wish(again=True))
    assert world.did == ["compiled", *INSTALLED, "proof", "proof"]


def test_a_wheel_that_does_not_work_is_built_anew_and_never_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = World(monkeypatch, tmp_path, ["no Horovod"])
    building.build(Wish())
    world.did, world.answers = [], ["no Horovod", "undefined symbol", "undefined symbol"]
    with pytest.raises(SetupError, match="does not work"):
        building.build(Wish())
    assert world.did == ["proof", *INSTALLED, "proof", "compiled", *INSTALLED, "proof"]
    assert not list(tmp_path.rglob("*.whl"))


def test_horovod_is_asked_for_one_framework_only() -> None:
    chosen = recipe.build_environment(
        {},
        compiler=Path("c++"),
        cmake=Path("cmake"),
        programs=Path("/env/bin"),
        mpi=False,
        gpu=None,
        parallel=1,
        frameworks={"tensorflow": "2.18.1"},
    )
    assert chosen["HOROVOD_WITH_TENSORFLOW"] == chosen["HOROVOD_WITHOUT_PYTORCH"] == "1"
    assert "HOROVOD_WITH_PYTORCH" not in chosen


def test_two_ranks_prove_it() -> None:
    assert building.proof(building.PROOFS["pytorch"]) == ""
    assert "AssertionError" in building.proof("assert False")


@pytest.mark.parametrize("arguments", [["--jobs", "0"], ["--mpi", "maybe"], ["--cpu", "--nccl", "on"], ["--nonsense"]])
def test_bad_input(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["build", *arguments])
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_what_is_lacking_ends_with_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere/else")
    assert entry.run(["horovod", "build"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: Horovod cannot be built here.\n- Two environments at once")
    assert "What to do: " in said


def without(*modules: str, code: str) -> subprocess.CompletedProcess[str]:
    """In a Python in which these cannot be imported."""
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in modules)
    return subprocess.run(
        [sys.executable, "-c", f"import sys\n{blocked}{textwrap.dedent(code)}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


LIBRARIES = ("typer", "pydantic", "rich", "pandas", "scipy", "matplotlib", "jinja2", "filelock", "sklearn")


def test_algorithms_and_the_build_need_no_library_of_the_harness() -> None:
    code = """
        import algorithms, algorithms.virtual, algorithms.torch
        import suite.__main__ as entry
        try:
            entry.run(["horovod", "build", "--help"])
        except SystemExit as ended:
            assert not ended.code
        assert entry.run(["list", "algorithms"]) == 2
    """
    done = without(*LIBRARIES, code=code)
    assert done.returncode == 0, done.stderr
    assert "is missing; pip install 'farandole[bench,report]'" in done.stderr
    assert "Example: farandole horovod build" in done.stdout


def test_without_horovod_the_error_names_the_command() -> None:
    for framework, binding in (("PyTorch", "torch"), ("TensorFlow", "tensorflow")):
        done = without("horovod", code=f"import algorithms.{binding}")
        assert f"ImportError: Horovod for {framework} cannot be imported" in done.stderr
        assert "farandole horovod build" in done.stderr
    assert "farandole[torch]" in without("torch", code="import algorithms.torch").stderr
