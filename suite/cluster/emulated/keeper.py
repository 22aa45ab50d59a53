"""The process that holds the emulated hosts up, and takes them down when its owner ends, however that ends.

Run as `python -m suite.cluster.emulated.keeper SPECIFICATION`. All namespaces are anonymous: nothing is added to the
machine's own network or to /run/netns, and the kernel removes them with the last process inside. This process sits
in a network namespace of its own with the bridge ("the switch"); one forked child per host holds that host's.
"""

from __future__ import annotations

import contextlib
import errno
import json
import multiprocessing
import os
import select
import signal
import sys
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from pyroute2 import IPRoute

from suite.cluster.emulated import disciplines, host, leftovers, linux, naming
from suite.cluster.emulated.specification import Specification

# Longer at each attempt: what delays the first on a busy machine seldom spoils all of them.
WINDOWS = (0.5, 1.0, 1.5, 2.0, 2.5)


def main() -> None:
    specification = Specification.from_argument(sys.argv[1])
    # A Ctrl-C in the owner's terminal must not take the hosts down before the owner has ended its run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of the `finally` below
    switch = Switch(specification)
    try:
        _serve(switch, linux.Owner(*specification.owner))
    finally:
        switch.take_down()


def _serve(switch: Switch, owner: linux.Owner) -> None:
    try:
        # From before anything is built, so that an owner killed meanwhile is noticed all the same.
        owner_handle = os.pidfd_open(owner.pid)
    except ProcessLookupError:
        return
    if owner.is_gone():
        return
    try:
        answer = switch.build()
    except OSError as error:
        answer = {"error": error.strerror or str(error), "unavailable": isinstance(error, linux.UnsupportedError)}
    try:
        print(json.dumps(answer), flush=True)
    except BrokenPipeError:
        return
    if "error" not in answer:
        _wait_for_the_end(owner_handle)


def _wait_for_the_end(owner_handle: int) -> None:
    """Until the owner closes our standard input or dies."""
    while True:
        ready, _, _ = select.select([owner_handle, sys.stdin.fileno()], [], [])
        if owner_handle in ready or not os.read(sys.stdin.fileno(), 4096):
            return


class Switch:
    def __init__(self, specification: Specification) -> None:
        self._specification = specification
        self._hosts: list[tuple[int, Connection]] = []

    def build(self) -> dict[str, Any]:
        privilege = self._leave_the_machine()
        # Fork before pyroute2 opens anything: the children must start from a clean process.
        congestion_control = self._start_hosts()
        with disciplines.errors_of_the_kernel("building the switch"), IPRoute() as netlink:
            at_switch = self._connect(netlink)
        seen = self._tell_all("configure")
        rates = self._measure() if len(self._hosts) > 1 else []
        return {
            "hosts": [
                {"pid": pid, "network_namespace": linux.network_namespace(pid), "address": naming.address(i)}
                for i, (pid, _) in enumerate(self._hosts)
            ],
            "privilege": privilege,
            "congestion_control": congestion_control,
            "qdiscs": {"host": seen[0], "switch": at_switch},
            "goodput_mbit": rates,
            "burst_bytes": self._specification.shape.burst_bytes,
        }

    def _leave_the_machine(self) -> str:
        namespaces = linux.NEW_NETWORK | linux.NEW_MOUNTS
        try:
            linux.unshare(namespaces)
            privilege = "root"
        except PermissionError:
            privilege = "user namespace"
            try:
                linux.become_root_of_user_namespace()
                linux.unshare(namespaces)
            except OSError as error:
                # PermissionError: forbidden. Others: user namespaces are limited to none, or the kernel has none.
                message = f"network namespaces are not allowed here, neither as root nor unprivileged: {error.strerror}"
                raise linux.UnsupportedError(error.errno, message) from error
        linux.keep_mounts_private()
        linux.silence_ipv6()
        return privilege

    def _start_hosts(self) -> str:
        fork = multiprocessing.get_context("fork")
        for index in range(self._specification.hosts):
            ours, theirs = fork.Pipe()
            plan = host.Plan(
                index=index,
                hosts=self._specification.hosts,
                folder=Path(self._specification.folder),
                shape=self._specification.shape,
            )
            inherited = [connection for _, connection in self._hosts] + [ours]
            child = fork.Process(target=host.main, args=(plan, theirs, os.getpid(), inherited), daemon=True)
            child.start()
            theirs.close()
            self._hosts.append((child.pid or 0, ours))
        return str(self._answers()[0])

    def _connect(self, netlink: IPRoute) -> tuple[str, ...]:
        # A bridge that snoops on multicast groups joins one itself, and tells all hosts so in a packet no rank sent.
        netlink.link("add", ifname="switch", kind="bridge", br_mcast_snooping=0)
        bridge = netlink.link_lookup(ifname="switch")[0]
        netlink.link("set", index=bridge, state="up")
        # The host's own end carries delay and loss; the switch's end only the rate, so that a host which several
        # others send to receives no more than its link can carry.
        rate_only = replace(self._specification.shape, delay_ms=0.0, loss=0.0)
        seen: tuple[str, ...] = ()
        for index, (pid, _) in enumerate(self._hosts):
            port_name = f"port{index}"
            netlink.link("add", ifname=port_name, kind="veth", peer={"ifname": "eth0", "net_ns_pid": pid})
            port = netlink.link_lookup(ifname=port_name)[0]
            netlink.link("set", index=port, master=bridge, state="up")
            disciplines.apply(netlink, port, rate_only, with_netem=False)
            seen = disciplines.in_force(netlink, port)
        return seen

    def _measure(self) -> list[list[float]]:
        """One row per attempt, one rate per host; the last row is the one that counts."""
        attempts: list[list[float]] = []
        for seconds in WINDOWS:
            self._tell_all("listen")
            self._tell_all("connect")
            rates = self._tell_all(("measure", seconds))
            self._tell_all("stop")
            attempts.append([round(rate, 2) for rate in rates])
            if all(map(self._specification.delivers, rates)):
                break
        time.sleep(self._specification.shape.longest_queue_seconds)  # else the rest would count as the ranks' bytes
        return attempts

    def _tell_all(self, order: object) -> list[Any]:
        for _, connection in self._hosts:
            connection.send(order)
        return self._answers()

    def _answers(self) -> list[Any]:
        answers = []
        for index, (_, connection) in enumerate(self._hosts):
            try:
                answer = connection.recv()
            except EOFError:
                raise OSError(errno.ECHILD, f"{naming.name(index)} died") from None
            answers.append(answer)
        for answer in answers:
            if isinstance(answer, OSError):
                raise answer
        return answers

    def take_down(self) -> None:
        """Kills every process in the hosts. They cannot be anyone else's: we hold them, so none is recycled."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        own = os.getpid()
        namespaces = {linux.network_namespace(pid) for pid, _ in self._hosts} - {None, linux.network_namespace(1)}
        holders = {pid for pid, _ in self._hosts}
        for _ in range(50):
            inside = [
                pid
                for pid in psutil.pids()
                if pid not in holders and pid != own and linux.network_namespace(pid) in namespaces
            ]
            if not inside:
                break
            leftovers.kill(inside)
            select.select([], [], [], 0.02)
        leftovers.kill(sorted(holders))
        for pid in holders:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        _remove(Path(self._specification.folder))


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


if __name__ == "__main__":
    main()
