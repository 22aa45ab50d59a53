"""Nothing of an emulated cluster outlives its owner, however that ends; nothing of anyone else is touched."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from suite.cluster import ClusterError, Emulated
from suite.cluster.emulated import leftovers
from suite.cluster.emulated.linux import Owner
from tests.patience import eventually

pytestmark = [pytest.mark.usefixtures("namespaces")]

ROOT = Path(__file__).parents[2]
# In the cluster: a plain process, and one that has left its session and process group.
# A shell starts what it runs in the background with interrupts ignored, and children inherit that.
OWNER = """
import signal, subprocess, sys, time
from suite.cluster import Emulated
signal.signal(signal.SIGINT, signal.default_int_handler)
with Emulated(hosts=2) as cluster:
    inside = subprocess.Popen(cluster.enter(["sh", "-c", "setsid sleep 600 & exec sleep 600"]))
    print(cluster._running.folder, cluster._running.process.pid, flush=True)
    time.sleep(600)
"""


class Child:
    """A harness in another process, with a cluster up and processes running in it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER], cwd=ROOT, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout
        folder, keeper = self.process.stdout.readline().split()
        self.folder, self.keeper = Path(folder), int(keeper)
        eventually(lambda: len(self.sleeps()) == 2)
        self.pids = self.alive()

    def alive(self) -> list[int]:
        return [pid for pid, name in leftovers.marked_processes() if name == self.folder.name]

    def sleeps(self) -> list[int]:
        return [
            pid for pid in self.alive() if psutil.pid_exists(pid) and psutil.Process(pid).cmdline()[:1] == ["sleep"]
        ]


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child()
    yield child
    child.process.kill()
    child.process.wait()
    if psutil.pid_exists(child.keeper):
        os.kill(child.keeper, signal.SIGTERM)
    leftovers.remove_leftovers()


def test_the_child_holds_what_the_other_tests_expect(child: Child) -> None:
    # keeper, two hosts, two sleeps
    assert len(child.pids) == 5
    assert child.folder.is_dir()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_keeper_clears_up_after_its_owner(child: Child, number: signal.Signals) -> None:
    child.process.send_signal(number)
    child.process.wait(60)
    eventually(lambda: not child.alive() and not child.folder.exists())


def test_the_next_start_clears_up_when_the_keeper_was_killed_too(child: Child) -> None:
    os.kill(child.keeper, signal.SIGKILL)
    child.process.kill()
    child.process.wait()
    eventually(lambda: len(child.alive()) == 2)  # the hosts' holders follow the keeper, the two sleeps go on
    assert len(child.sleeps()) == 2
    with Emulated(hosts=1):
        assert not child.alive()
        assert not child.folder.exists()


def test_a_living_owners_cluster_is_left_alone(child: Child) -> None:
    assert child.folder.name not in leftovers.remove_leftovers()
    assert child.alive() == child.pids
    assert child.folder.is_dir()


def test_what_carries_no_name_of_ours_is_left_alone() -> None:
    strangers = [leftovers.home() / name for name in ("farandole-1", "farandole-1-2-3", "other-1-2-3-4")]
    for folder in strangers:
        folder.mkdir(exist_ok=True)
    try:
        leftovers.remove_leftovers()
        assert all(folder.is_dir() for folder in strangers)
    finally:
        for folder in strangers:
            folder.rmdir()


def test_an_owner_of_another_pid_namespace_is_never_taken_for_dead() -> None:
    me = Owner.this_process()
    assert not me.is_gone()
    assert Owner(me.pid, me.started + 1, me.pid_namespace).is_gone()
    assert not Owner(me.pid, me.started + 1, me.pid_namespace + 1).is_gone()
    assert leftovers.owner_of(leftovers.name_for(me, 3)) == me


def test_an_exception_in_the_block_takes_the_hosts_down() -> None:
    with pytest.raises(ZeroDivisionError), Emulated(hosts=2) as cluster:
        assert cluster._running
        name = cluster._running.folder.name
        raise ZeroDivisionError
    eventually(lambda: name not in {found for _, found in leftovers.marked_processes()})
    assert not (leftovers.home() / name).exists()


def test_commands_are_refused_once_the_keeper_is_gone() -> None:
    with Emulated(hosts=2) as cluster:
        assert cluster._running
        enter = cluster.enter(["true"])
        cluster._running.process.kill()
        cluster._running.process.wait()
        with pytest.raises(ClusterError, match="keeper of the emulated hosts died"):
            cluster.command(2, ["true"])
        eventually(lambda: "is gone" in subprocess.run(enter, capture_output=True, text=True).stderr)
