"""One emulated host: the process that holds its namespaces, configures its eth0 and measures its link."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from suite.cluster.emulated import disciplines, goodput, linux
from suite.cluster.emulated.naming import CONGESTION_CONTROL, address, name
from suite.cluster.emulated.shaping import Shape

_WARMUP_SECONDS, _WARMUP_MBIT = 0.25, 10.0  # for TCP to grow its window and the first full bucket to drain


@dataclass(frozen=True, kw_only=True)
class Plan:
    index: int
    hosts: int
    folder: Path
    shape: Shape


def main(plan: Plan, orders: Connection, parent: int, inherited: list[Connection]) -> None:
    """Answers each order with its result, or with the OSError that prevented it, until the keeper is gone."""
    linux.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        return
    for connection in inherited:
        connection.close()
    try:
        linux.unshare(linux.NEW_NETWORK | linux.NEW_MOUNTS | linux.NEW_HOST_NAME)
        linux.keep_mounts_private()
        linux.mount_over(plan.folder / "hosts", "/etc/hosts")
        socket.sethostname(name(plan.index))
        linux.silence_ipv6()
        orders.send(linux.use_congestion_control(CONGESTION_CONTROL))
    except OSError as error:
        orders.send(linux.UnsupportedError(error.errno, error.strerror))
        return
    _serve(plan, orders)


def _serve(plan: Plan, orders: Connection) -> None:
    link: goodput.Link | None = None
    while True:
        try:
            order: Any = orders.recv()
        except EOFError:
            return
        answer: Any = None
        try:
            match order:
                case "configure":
                    answer = _configure(plan)
                case "listen":
                    link = goodput.Link(address(plan.index))
                case "connect" if link:
                    link.connect(address((plan.index + 1) % plan.hosts))
                case ("measure", float(seconds)) if link:
                    warmup = _WARMUP_SECONDS + _WARMUP_MBIT / (plan.shape.rate_mbit or 1000)
                    answer = link.measure(warmup=warmup, seconds=seconds)
                case "stop" if link:
                    with link:
                        link = None
                case _:
                    raise OSError(f"unknown order {order!r}")
        except OSError as error:
            answer = error
        orders.send(answer)


def _configure(plan: Plan) -> tuple[str, ...]:
    with disciplines.errors_of_the_kernel("configuring eth0"), IPRoute() as netlink:
        loopback, card = netlink.link_lookup(ifname="lo")[0], netlink.link_lookup(ifname="eth0")[0]
        netlink.link("set", index=loopback, state="up")
        netlink.addr("add", index=card, address=address(plan.index), prefixlen=24)
        netlink.link("set", index=card, state="up")
        disciplines.apply(netlink, card, plan.shape, with_netem=True)
        return disciplines.in_force(netlink, card)
