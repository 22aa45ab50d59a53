"""Rate, delay and loss of one interface, through the kernel's queueing disciplines. Uses pyroute2, not iproute2."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from suite.cluster.emulated.linux import UnsupportedError
from suite.cluster.emulated.shaping import Shape

# A kind of interface or discipline that the kernel lacks.
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOENT, errno.EPERM)


def apply(netlink: IPRoute, index: int, shape: Shape, *, with_netem: bool) -> None:
    """Shapes what leaves the interface. Delay and loss belong to one end only: `with_netem` says to which."""
    parent = 0xFFFFFFFF  # TC_H_ROOT
    if with_netem and (shape.delay_ms or shape.loss):
        # netem as root and tbf below it: the order its own manual gives for delay together with a rate.
        try:
            netlink.tc(
                "add",
                "netem",
                index,
                0x10000,
                delay=round(shape.delay_ms * 1000),
                loss=shape.loss * 100,
                limit=100_000,
            )
        except NetlinkError as error:
            message = "this kernel has no netem, so neither delay nor loss can be emulated"
            raise UnsupportedError(error.code, message) from error
        parent = 0x10001
    if shape.rate_mbit is not None:
        netlink.tc(
            "add",
            "tbf",
            index,
            0x20000,
            parent=parent,
            rate=round(shape.rate_mbit * 1e6 / 8),
            burst=shape.burst_bytes,
            limit=shape.queue_bytes,
        )


@contextlib.contextmanager
def errors_of_the_kernel(doing: str) -> Iterator[None]:
    """pyroute2's errors are no OSErrors."""
    try:
        yield
    except NetlinkError as error:
        kind = UnsupportedError if error.code in _UNSUPPORTED else OSError
        raise kind(error.code, f"{doing}: {error.args[-1]}") from error


def in_force(netlink: IPRoute, index: int) -> tuple[str, ...]:
    """The disciplines the kernel says are on the interface, whatever was asked."""
    found: list[Any] = list(netlink.get_qdiscs(index))
    return tuple(str(discipline.get_attr("TCA_KIND")) for discipline in found)
