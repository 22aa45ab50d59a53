"""CPU quotas: where control groups are found, and what a quota does to a process."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from suite.cluster import ClusterUnavailableError
from suite.cluster.emulated.leftovers import name_for
from suite.cluster.emulated.linux import Owner
from suite.cluster.stragglers import quota
from suite.cluster.stragglers.quota import Hierarchy, find


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    group = tmp_path / "cpu,cpuacct"
    (group / "mine").mkdir(parents=True)
    (group / "cpu.shares").touch()
    (tmp_path / "cpuset").mkdir()
    return tmp_path


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    (tmp_path / "user" / "mine").mkdir(parents=True)
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory")
    (tmp_path / "user" / "cgroup.subtree_control").write_text("cpu memory")
    return tmp_path


def test_version_1_is_found_beside_others(v1: Path) -> None:
    found = find(v1, "9:cpuset:/\n3:cpu,cpuacct:/mine\n0::/unified\n")
    assert found == Hierarchy(version=1, own=v1 / "cpu,cpuacct/mine", parent=v1 / "cpu,cpuacct/mine")


def test_in_version_2_the_new_group_stands_beside_our_own(v2: Path) -> None:
    assert find(v2, "0::/user/mine\n") == Hierarchy(version=2, own=v2 / "user/mine", parent=v2 / "user")
    assert find(v2, "0::/\n") == Hierarchy(version=2, own=v2, parent=v2)


def test_what_cannot_be_is_refused_with_its_reason(v2: Path, tmp_path: Path) -> None:
    (v2 / "user" / "cgroup.subtree_control").write_text("memory")
    with pytest.raises(ClusterUnavailableError, match="not enabled below"):
        find(v2, "0::/user/mine\n")
    with pytest.raises(ClusterUnavailableError, match="no cpu control groups"):
        find(tmp_path / "nothing", "3:memory:/\n")
    with pytest.raises(ClusterUnavailableError, match="not mounted"):
        find(tmp_path / "nothing", "3:cpu:/\n")
    gone = Hierarchy(version=2, own=tmp_path, parent=tmp_path / "nothing")
    with pytest.raises(ClusterUnavailableError, match="no CPU quota: "), quota(0.5, gone):
        pass
    with pytest.raises(ValueError, match=r"cores is 0\.01, must be between"), quota(0.01, gone):
        pass


def test_the_limit_is_written_as_each_version_wants_it(tmp_path: Path) -> None:
    Hierarchy(version=2, own=tmp_path, parent=tmp_path).limit(tmp_path, 1.5)
    assert (tmp_path / "cpu.max").read_text() == "15000 10000"
    Hierarchy(version=1, own=tmp_path, parent=tmp_path).limit(tmp_path, 0.25)
    assert (tmp_path / "cpu.cfs_quota_us").read_text() == "2500"
    assert (tmp_path / "cpu.cfs_period_us").read_text() == "10000"


@pytest.fixture
def hierarchy() -> Hierarchy:
    try:
        found = find()
        with quota(1.0, found):
            return found
    except ClusterUnavailableError as error:
        pytest.skip(str(error))


def wall_seconds_of(cpu_seconds: float) -> float:
    began, cpu = time.monotonic(), time.process_time()
    while time.process_time() - cpu < cpu_seconds:
        pass
    return time.monotonic() - began


def test_a_quarter_of_a_core_takes_four_times_as_long_and_then_no_more(hierarchy: Hierarchy) -> None:
    with quota(0.25, hierarchy):
        # Other processes can only make it longer; a quota of more than a third of a core could not take 0.3 s.
        assert wall_seconds_of(0.1) > 0.3
        groups = Path("/proc/self/cgroup").read_text()
        assert f"farandole-{os.getpid()}-" in groups
    assert "farandole" not in Path("/proc/self/cgroup").read_text()
    assert not list(hierarchy.parent.glob(f"farandole-{os.getpid()}-*"))


def test_a_killed_ranks_group_is_removed_by_the_next(hierarchy: Hierarchy) -> None:
    script = (
        "import time\nfrom suite.cluster.stragglers import quota\nwith quota(0.5): print(flush=True); time.sleep(60)"
    )
    rank = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert rank.stdout
    rank.stdout.readline()
    assert len(list(hierarchy.parent.glob(f"farandole-{rank.pid}-*"))) == 1
    with quota(1.0, hierarchy):  # while it lives
        assert len(list(hierarchy.parent.glob(f"farandole-{rank.pid}-*"))) == 1
    rank.kill()
    rank.wait()
    with quota(1.0, hierarchy):
        assert not list(hierarchy.parent.glob(f"farandole-{rank.pid}-*"))


def test_a_group_with_a_process_in_it_survives_even_without_owner(hierarchy: Hierarchy) -> None:
    me = Owner.this_process()
    group = hierarchy.parent / name_for(Owner(me.pid, me.started + 1, me.pid_namespace), 0)
    group.mkdir()
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        (group / "cgroup.procs").write_text(str(sleeper.pid))
        with quota(1.0, hierarchy):
            assert group.is_dir()
    finally:
        sleeper.kill()
        sleeper.wait()
        group.rmdir()
