"""Names and addresses of emulated hosts, and the one TCP setting they share. Pure."""

from __future__ import annotations

# The network is private to one cluster, so all clusters may use the same one. A /24 holds MAX_HOSTS.
MAX_HOSTS = 64
_NETWORK = "10.99.0"
# Every kernel has it and lets every namespace use it, so emulated hosts behave alike on every machine. At the short
# round trips of a LAN cubic, the usual default, falls back to the same growth (RFC 9438, section 4.3).
CONGESTION_CONTROL = "reno"


def address(index: int) -> str:
    return f"{_NETWORK}.{index + 1}"


def name(index: int) -> str:
    return f"host{index}"


def hosts_file(hosts: int) -> str:
    """Gloo binds to whatever a machine's own name resolves to, so that must be the address of eth0, never 127.0.0.1."""
    lines = ["127.0.0.1 localhost"] + [f"{address(i)} {name(i)}" for i in range(hosts)]
    return "\n".join(lines) + "\n"
