"""Where a run ran: the fingerprint of each host, and what the network was asked and measured to do."""

from __future__ import annotations

import json

from pydantic import Field, JsonValue

from suite.record.part import Count, Kind, Part, Positive

# Where a trace goes is no part of what a run ran on.
NOT_ENVIRONMENT = frozenset({"HOROVOD_TIMELINE"})
OWN_NAME = frozenset({"name", "ranks", "network", "commit", "digest"})


class Host(Part):
    """Fingerprint of one host as the ranks on it saw it."""

    name: str
    ranks: tuple[int, ...]
    cpu: str
    cores: Positive
    memory_bytes: Count
    gpus: tuple[str, ...] = ()
    system: str = ""
    network: tuple[str, ...] = Field(default=(), description="interfaces with their speeds, as far as the system tells")
    python: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    horovod: dict[str, str] = Field(
        default_factory=dict, description="controllers and operations built in; cycle and fusion settings in force"
    )
    commit: str | None = Field(
        default=None, description="git commit of this project, '+' at the end if files were changed"
    )
    other: dict[str, str] = Field(default_factory=dict)
    digest: str = Field(description="over what this host said of itself, as it said it")

    @property
    def environment(self) -> str:
        """Equal for hosts of runs that may be averaged together: all that they say of themselves, but their names."""
        content = self.model_dump(mode="json", exclude=set(OWN_NAME))
        content["memory_bytes"] = round(self.memory_bytes / 2**30)  # firmware and kernel keep a varying bit of it
        content["horovod"] = {key: text for key, text in self.horovod.items() if key not in NOT_ENVIRONMENT}
        return json.dumps(content, sort_keys=True)


class Cluster(Part):
    """What was asked of the network and what it was measured to do before the ranks started."""

    name: str
    kind: Kind
    hosts: Positive = 1
    slots: Positive = 1
    asked: dict[str, JsonValue] = Field(default_factory=dict)
    in_force: dict[str, JsonValue] = Field(default_factory=dict, description="measured, where it could be")
    interface_bytes: tuple[int, ...] | None = Field(
        default=None, description="sent per host during the run, by the kernel"
    )
    warnings: tuple[str, ...] = ()
