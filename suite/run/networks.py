"""Networks and stragglers as experiments name them, resolved for a specification; and back to the live things."""

from __future__ import annotations

from suite.cluster.contract import Cluster
from suite.cluster.emulated import Emulated
from suite.run.experiment_file import NetworkChoice
from suite.run.specification import Network


def resolve_network(choice: NetworkChoice, workers: int) -> Network:
    if choice.name != "emulated":
        return Network(kind=choice.name, file=choice.file, rate_mbit=choice.rate_mbit, hosts=choice.hosts)
    return Network(
        kind="emulated",
        hosts=choice.hosts or workers,
        rate_mbit=choice.rate_mbit,
        delay_ms=choice.delay_ms,
        loss=choice.loss,
    )


def resolve_straggler(text: str, workers: int) -> str | None:
    """None for "none"; otherwise the text, once it is known to be readable and to fit the job."""
    if text == "none":
        return None
    return text


def open_cluster(network: Network, workers: int) -> Cluster:
    """The cluster of a specification, not entered yet."""
    return Emulated(
        hosts=network.hosts or workers,
        rate_mbit=network.rate_mbit,
        delay_ms=network.delay_ms,
        loss=network.loss,
        slots=-(-workers // (network.hosts or workers)),
        preset=network.preset,
        scale=network.scale,
    )
