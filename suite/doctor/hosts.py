"""Whether several hosts can be emulated here, found out by making some."""

from __future__ import annotations

from suite.cluster.contract import ClusterError, ClusterUnavailableError
from suite.cluster.emulated import Emulated
from suite.doctor.check import Check, note, ok

RATE_MBIT = 100.0


def namespaces() -> Check:
    """Namespaces and a rate limit (tbf): two hosts, and the rate measured between them."""
    try:
        with Emulated(hosts=2, rate_mbit=RATE_MBIT) as cluster:
            facts = cluster.facts().in_force
    except ClusterUnavailableError as error:
        return note(
            "emulated hosts", str(error), "local runs work; as root, or where user namespaces are allowed, so do these"
        )
    except (ClusterError, OSError) as error:
        return note("emulated hosts", str(error), "free the machine and try again; local runs work")
    return ok(
        "emulated hosts",
        f"2 made ({facts['privilege']}); tbf at {RATE_MBIT:g} Mbit/s gives {facts['goodput_mbit']:g} Mbit/s of payload",
    )


def delay() -> Check:
    """Delay and loss (netem)."""
    try:
        with Emulated(hosts=2, rate_mbit=RATE_MBIT, delay_ms=1.0):
            return ok("netem", "delay and loss can be emulated")
    except (ClusterError, OSError) as error:
        return note("netem", str(error), "experiments with delay_ms or loss cannot run here; all others can")
