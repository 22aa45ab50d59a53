"""Networks and stragglers as experiments name them, resolved for a specification; and back to live clusters."""

from __future__ import annotations

from suite.cluster import presets, stragglers
from suite.cluster.contract import Cluster
from suite.cluster.making import make
from suite.run.experiment_file import NetworkChoice
from suite.run.specification import Network


def resolve_network(choice: NetworkChoice, workers: int) -> Network:
    if choice.name != "emulated":
        return Network(kind=choice.name, file=choice.file, rate_mbit=choice.rate_mbit, hosts=choice.hosts)
    rate, scale = choice.rate_mbit, choice.scale
    if choice.preset is not None:
        scale = presets.SCALE if scale is None else scale
        rate = presets.find(choice.preset).rate_mbit(scale)
    return Network(
        kind="emulated",
        hosts=choice.hosts or workers,
        rate_mbit=rate,
        delay_ms=choice.delay_ms,
        loss=choice.loss,
        preset=choice.preset,
        scale=scale,
    )


def resolve_straggler(text: str, workers: int) -> str | None:
    """None for "none"; otherwise the text, once it is known to be readable and to fit the job."""
    if text == "none":
        return None
    stragglers.parse(text).check(workers)
    return text


def open_cluster(network: Network, workers: int) -> Cluster:
    """The cluster of a specification, not entered yet."""
    if network.kind == "local":
        return make({"kind": "local"})
    if network.kind == "hosts":
        return make({"kind": "hosts", "path": network.file})
    hosts = network.hosts or workers
    return make(
        {
            "kind": "emulated",
            "hosts": hosts,
            "slots": -(-workers // hosts),
            "rate_mbit": network.rate_mbit,
            "delay_ms": network.delay_ms,
            "loss": network.loss,
            "preset": network.preset,
            "scale": network.scale,
        }
    )
