"""Networks and stragglers as experiments name them, resolved for a specification; and back to live clusters."""

from __future__ import annotations

from pathlib import Path

from suite.cluster import host_file, presets, stragglers
from suite.cluster.contract import Cluster
from suite.cluster.hosts import occupied
from suite.cluster.making import make
from suite.experiment import choices
from suite.experiment.network_choice import NetworkChoice
from suite.record.specification import Model, Network, refuse_uneven_hosts

# What stands for a worker's speed where nobody says how long a step takes; backward costs about twice the forward pass.
VIRTUAL_FLOPS = 100e9
UNKNOWN_SECONDS = 1.0


def resolve_network(choice: NetworkChoice, workers: int) -> Network:
    """Virtual ones still without what a step takes, which depends on the model (`with_compute`)."""
    if choice.name == "virtual":
        rate = presets.find(choice.preset).rate_mbit(1.0) if choice.preset is not None else choice.rate_mbit
        return Network(
            kind="virtual",
            rate_mbit=rate,
            delay_ms=choice.delay_ms,
            preset=choice.preset,
            scale=choice.scale,
            compute_seconds=choice.compute or UNKNOWN_SECONDS,
        )
    if choice.name != "emulated":
        given = choice.model_dump(include={"file", "interfaces", "ssh_port", "ssh_identity_file"})
        return Network.model_validate({"kind": choice.name} | given)
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


def with_compute(network: Network, choice: NetworkChoice, model: Model, batch_size: int) -> Network:
    """A virtual network with what a step of this model computes for, where the choice leaves that open."""
    if network.kind != "virtual" or choice.compute is not None:
        return network
    return network.model_copy(update={"compute_seconds": step_seconds(model, batch_size)})


def step_seconds(model: Model, batch_size: int) -> float:
    """A step at a stated speed, so that a run is the same whichever machine simulates it."""
    return 3 * choices.net_of(model).flops * batch_size / VIRTUAL_FLOPS


def check_room(network: Network, workers: int) -> Network:
    """Refuses a network whose hosts do not take that many workers. Whether hosts answer is not asked here."""
    if network.file is not None:
        places = host_file.read(Path(network.file))
        try:
            occupied(places, workers)
        except ValueError as error:
            raise ValueError(f"{network.file}: {error}") from error
    refuse_uneven_hosts(workers, network)
    return network


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
    if network.kind == "virtual":
        shape = network.model_dump(include={"rate_mbit", "delay_ms", "compute_seconds"})
        return make({"kind": "virtual"} | shape)
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
