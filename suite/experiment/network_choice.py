"""A network as an experiment file chooses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from suite.cluster import host_file, presets
from suite.experiment.strict import Strict, arrays
from suite.record.specification import Interface, NonNegative, Port, Positive, PositiveNumber, Share

INSTANT = "instant"


class NetworkChoice(Strict):
    """`"local"`, `{ file = "machines" }`, `{ rate_mbit = 400 }`, `{ preset = "1GbE", scale = 0.4 }` or
    `{ virtual = "10GbE", compute = 0.2 }`.

    Hosts: `file` is a host file (`name slots=N` per line); `interfaces`, `ssh_port` and `ssh_identity_file` go to
    horovodrun. Emulated: one host per worker unless `hosts` says otherwise. Virtual: workers in one process in virtual
    time, joined by a preset at its full rate, by so many Mbit/s, or by "instant"; `compute` is what a step takes.
    """

    name: Literal["local", "hosts", "emulated", "virtual"] = "emulated"
    label: str | None = None
    hosts: Positive | None = None
    rate_mbit: PositiveNumber | None = None
    delay_ms: NonNegative = 0.0
    loss: Share = 0.0
    preset: str | None = None
    scale: PositiveNumber | None = Field(
        default=None, description="of a preset's rate; the presets' common one if unset"
    )
    file: str | None = None
    interfaces: tuple[Interface, ...] | None = Field(default=None, min_length=1)
    ssh_port: Port | None = None
    ssh_identity_file: str | None = None
    compute: PositiveNumber | None = Field(
        default=None, description="seconds of a step; if unset, those of a worker that does 100 GFLOP/s"
    )

    # What does not go together is refused field by field, where `info.data` holds the fields before it that are right.

    @field_validator("hosts", "rate_mbit", "delay_ms", "loss", "preset", "scale")
    @classmethod
    def _emulated(cls, value: Any, info: ValidationInfo) -> Any:
        kind = info.data.get("name", "emulated")
        if kind == "virtual" and info.field_name in ("hosts", "loss"):
            raise ValueError(f"{info.field_name} has no virtual form: each worker has a link of its own, without loss")
        if kind not in ("emulated", "virtual"):
            raise ValueError(f"{info.field_name} shapes an emulated network, not one of kind {kind!r}")
        return value

    @field_validator("file", "interfaces", "ssh_port", "ssh_identity_file")
    @classmethod
    def _on_hosts(cls, value: Any, info: ValidationInfo) -> Any:
        if (kind := info.data.get("name", "hosts")) != "hosts":
            raise ValueError(f"{info.field_name} is for a network of kind 'hosts', not of kind {kind!r}")
        return value

    @field_validator("compute")
    @classmethod
    def _in_virtual_time(cls, value: float, info: ValidationInfo) -> float:
        if (kind := info.data.get("name", "emulated")) != "virtual":
            raise ValueError(f"compute is for a network of kind 'virtual', not of kind {kind!r}")
        return value

    @field_validator("preset")
    @classmethod
    def _known(cls, preset: str, info: ValidationInfo) -> str:
        presets.find(preset)
        if info.data.get("rate_mbit") is not None:
            raise ValueError("preset and rate_mbit both set the rate; keep one")
        return preset

    @field_validator("file")
    @classmethod
    def _readable(cls, file: str) -> str:
        host_file.read(Path(file))
        return file

    @field_validator("ssh_identity_file")
    @classmethod
    def _present(cls, file: str) -> str:
        if not Path(file).is_file():
            raise ValueError(f"ssh_identity_file {file}: no such file")
        return file

    @model_validator(mode="after")
    def _complete(self) -> NetworkChoice:
        if self.scale is not None and self.preset is None:
            raise ValueError("scale scales a preset; without one, write the rate_mbit you mean")
        if self.name == "emulated" and self.rate_mbit is None and self.preset is None:
            raise ValueError("an emulated network needs rate_mbit or preset")
        if self.name == "hosts" and self.file is None:
            raise ValueError("a network of kind hosts needs file, the host file")
        return self


def spelled_out(value: Any) -> Any:
    """As the table that a short form stands for."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and "name" not in value and "file" in value:
        value = {"name": "hosts"} | value
    if isinstance(value, dict) and "name" not in value and "virtual" in value:
        value = dict(value)
        wire = value.pop("virtual")
        shape = (
            {} if wire == INSTANT else {"preset": wire, "scale": 1.0} if isinstance(wire, str) else {"rate_mbit": wire}
        )
        value = {"name": "virtual"} | shape | value
    return arrays(value)
