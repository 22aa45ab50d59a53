"""Networks people have, as rates an emulated cluster can be asked for.

A preset is a line rate and nothing else: the latency of an emulated link is that of this machine's kernel (tens of
microseconds), which is much for InfiniBand, and TCP carries the data whatever the name says: hence "-like".
"""

from __future__ import annotations

from dataclasses import dataclass

from algorithms.mechanisms.suggest import did_you_mean

# One factor for all, so that networks keep their proportions and one model scaled by the same factor meets on every
# one of them the times it would meet on the real one. With it four hosts at the fastest rate fit on two cores.
SCALE = 1 / 32


@dataclass(frozen=True, kw_only=True)
class Preset:
    name: str
    line_rate_mbit: float
    origin: str

    def rate_mbit(self, scale: float = SCALE) -> float:
        return self.line_rate_mbit * scale


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(name="1GbE", line_rate_mbit=1_000, origin="IEEE 802.3ab"),
        Preset(name="10GbE", line_rate_mbit=10_000, origin="IEEE 802.3ae"),
        Preset(name="25GbE", line_rate_mbit=25_000, origin="IEEE 802.3by"),
        Preset(name="40GbE", line_rate_mbit=40_000, origin="IEEE 802.3ba"),
        Preset(name="100GbE", line_rate_mbit=100_000, origin="IEEE 802.3ba"),
        Preset(name="IB-QDR-like", line_rate_mbit=32_000, origin="4 lanes of 10 Gbaud, 8b/10b coded"),
        Preset(name="IB-FDR-like", line_rate_mbit=54_545, origin="4 lanes of 14.0625 Gbaud, 64b/66b coded"),
        Preset(name="IB-EDR-like", line_rate_mbit=100_000, origin="4 lanes of 25.78125 Gbaud, 64b/66b coded"),
    )
}


def alone(name: str, rate_mbit: float | None) -> str:
    """The name of a preset, if it is one and nothing else sets the rate."""
    find(name)
    if rate_mbit is not None:
        raise ValueError("preset and rate_mbit both set the rate; keep one")
    return name


def find(name: str) -> Preset:
    preset = PRESETS.get(name)
    if preset is None:
        hint = did_you_mean(name, PRESETS, "{} ")
        raise ValueError(f"network preset {name!r} is unknown; {hint}known: {', '.join(PRESETS)}")
    return preset
