"""The environment of a host: complete, fast, and a digest that changes when, and only when, it should."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from suite.cluster import fingerprint
from suite.cluster.fingerprint import Fingerprint

ROOT = Path(__file__).parents[2]


class BuiltWithGloo:
    def gloo_built(self) -> int:
        return 1

    def mpi_built(self) -> int:
        return 0

    nccl_built = ccl_built = mpi_built


@pytest.fixture(scope="module")
def taken() -> Fingerprint:
    return fingerprint.take(BuiltWithGloo(), environment={"HOROVOD_CYCLE_TIME": "5", "OMP_NUM_THREADS": "1"})


def test_it_says_everything_a_record_wants(taken: Fingerprint) -> None:
    assert taken.cpu
    assert taken.cores >= 1
    assert taken.memory_bytes > 2**28
    assert taken.python.endswith(".".join(map(str, sys.version_info[:3])))
    assert {"torch", "tensorflow", "keras", "horovod", "numpy"} <= taken.versions.keys()
    assert any(card.startswith("lo ") for card in taken.network)
    assert taken.horovod["features"] == "Gloo"
    assert "torch" in taken.horovod["frameworks"]
    assert taken.horovod["HOROVOD_CYCLE_TIME"] == "5"
    assert taken.horovod["HOROVOD_FUSION_THRESHOLD"] == str(2**27)
    assert taken.other["OMP_NUM_THREADS"] == "1"
    json.dumps(dataclasses.asdict(taken))


def test_it_imports_no_framework() -> None:
    script = (
        "import sys\nfrom suite.cluster import fingerprint\nfingerprint.take()\n"
        "print([name for name in ('torch', 'tensorflow', 'keras', 'horovod') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_digest_is_the_same_twice_and_on_a_twin(taken: Fingerprint) -> None:
    again = fingerprint.take(BuiltWithGloo(), environment={"HOROVOD_CYCLE_TIME": "5", "OMP_NUM_THREADS": "1"})
    assert again.digest == taken.digest
    assert taken.differences(again) == {}
    twin = dataclasses.replace(
        taken, name="twin", network=(), commit="0" * 40, memory_bytes=taken.memory_bytes // 2**30 * 2**30
    )
    assert twin.digest == dataclasses.replace(twin, memory_bytes=twin.memory_bytes + 2**20).digest
    assert dataclasses.replace(twin, memory_bytes=taken.memory_bytes).digest == taken.digest


@pytest.mark.parametrize(
    "change",
    [
        {"cpu": "another"},
        {"cores": 4096},
        {"memory_bytes": 2**50},
        {"gpus": ("NVIDIA H200, 143771 MiB, 570.1",)},
        {"system": "another"},
        {"python": "CPython 3.99"},
        {"versions": {"torch": "1.0"}},
        {"horovod": {"HOROVOD_CYCLE_TIME": "1"}},
        {"other": {"code": "another"}},
    ],
)
def test_the_digest_changes_with_what_matters(taken: Fingerprint, change: dict[str, object]) -> None:
    changed = dataclasses.replace(taken, **change)  # type: ignore[arg-type]
    assert changed.digest != taken.digest
    assert taken.differences(changed).keys() == change.keys()


def test_gpus_are_read_from_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 143771 MiB, 570.86.15'\necho 'NVIDIA H200, 143771 MiB, 570.86.15'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert fingerprint.take().gpus == ("NVIDIA H200, 143771 MiB, 570.86.15",) * 2
    tool.write_text("#!/bin/sh\necho 'no driver' >&2\nexit 9\n")
    assert fingerprint.take().gpus == ()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("suite/cluster/fingerprint.py", "suite/report/page.py", "algorithms/delayed.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    return tmp_path


def git(project: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(project), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_and_whether_files_were_changed(project: Path) -> None:
    assert fingerprint.commit(project) is None  # no repository
    git(project, "init", "-q")
    assert fingerprint.commit(project) is None  # somebody else's: our files are not in it
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    assert fingerprint.commit(project) == git(project, "rev-parse", "HEAD")
    (project / "algorithms/delayed.py").write_text("# changed\n")
    assert fingerprint.commit(project) == git(project, "rev-parse", "HEAD") + "+"


def test_the_code_digest_follows_what_a_run_can_execute(project: Path) -> None:
    first = fingerprint.code_digest(project)
    (project / "suite/report/page.py").write_text("# a nicer page\n")
    (project / "README.md").write_text("words\n")
    assert fingerprint.code_digest(project) == first
    (project / "algorithms/delayed.py").write_text("# another rule\n")
    second = fingerprint.code_digest(project)
    (project / "algorithms/delayed.py").rename(project / "algorithms/renamed.py")
    assert len({first, second, fingerprint.code_digest(project)}) == 3
