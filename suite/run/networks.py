"""Networks and stragglers as experiments name them, resolved for a specification; and back to live clusters."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from suite.cluster import host_file, presets, stragglers
from suite.cluster.contract import Cluster
from suite.cluster.hosts import Hosts, occupied
from suite.cluster.making import make
from suite.run.experiment_file import NetworkChoice
from suite.run.specification import Network


def resolve_network(choice: NetworkChoice, workers: int) -> Network:
    if choice.name != "emulated":
        # What shapes a network is handed on for the schema to refuse.
        given = choice.model_dump(exclude={"name", "label", "preset", "scale"})
        network = Network.model_validate({"kind": choice.name} | given)
        if network.file is not None:
            _check_hosts(network, workers)
        return network
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


def _check_hosts(network: Network, workers: int) -> None:
    """The host file can be read and has a slot for every worker. Whether the hosts answer is not asked here."""
    occupied(host_file.read(Path(str(network.file))), workers)
    if network.ssh_identity_file is not None and not Path(network.ssh_identity_file).is_file():
        raise ValueError(f"ssh_identity_file {network.ssh_identity_file}: no such file")


def unknown_hosts(networks: Iterable[Network]) -> list[str]:
    """A line per host of these networks' host files whose name nobody knows."""
    files = dict.fromkeys(network.file for network in networks if network.file is not None)
    return [line for file in files for line in Hosts(file).unknown()]


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
        return make(
            {
                "kind": "hosts",
                "path": network.file,
                "interfaces": network.interfaces or (),
                "ssh_port": network.ssh_port,
                "ssh_identity_file": network.ssh_identity_file,
            }
        )
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
