"""`Hosts`: ranks on the machines of a host file, started by horovodrun over ssh."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import psutil
from pydantic import Field, ValidationInfo, field_validator, model_validator

from suite.cluster import host_file
from suite.cluster.contract import AlwaysThere, ClusterError, ClusterFacts
from suite.cluster.horovodrun import horovodrun
from suite.cluster.host_file import Place
from suite.cluster.network import Network, written
from suite.record.part import Kind

_CONNECT_SECONDS = 10
# What Gloo will bind to on that host: the address its own name resolves to.
_OWN_ADDRESS = 'getent ahostsv4 "$(hostname)" | head -n 1 | cut -d " " -f 1'


Port = Annotated[int, Field(ge=1, le=65535)]
Interface = Annotated[str, Field(pattern=r"^[^\s/:,]{1,15}$")]  # what Linux takes, less what horovodrun splits at


class HostsNetwork(Network):
    """`{ file = "machines", interfaces = ["ib0"] }`: `file` is a host file, the others go to horovodrun."""

    here: ClassVar[bool] = False
    sign: ClassVar[str | None] = "file"

    kind: Literal["hosts"] = "hosts"
    file: str | None = Field(default=None, description="the host file: `name slots=N` per line")
    interfaces: tuple[Interface, ...] | None = Field(
        default=None, min_length=1, description="network interfaces to use, of the same names on every host"
    )
    ssh_port: Port | None = Field(default=None, description="where the hosts' ssh listens")
    ssh_identity_file: str | None = Field(default=None, description="the private key for ssh")

    @field_validator("file")
    @classmethod
    def _readable(cls, file: str, info: ValidationInfo) -> str:
        if written(info):
            host_file.read(Path(file))
        return file

    @field_validator("ssh_identity_file")
    @classmethod
    def _present(cls, file: str, info: ValidationInfo) -> str:
        if written(info) and not Path(file).is_file():
            raise ValueError(f"ssh_identity_file {file}: no such file")
        return file

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.file is None:
            raise ValueError("a network of kind hosts needs file, the host file")
        return self

    def check_room(self, workers: int) -> None:
        try:
            occupied(host_file.read(Path(str(self.file))), workers)
        except ValueError as error:
            raise ValueError(f"{self.file}: {error}") from error

    def describe(self, workers: int) -> str:
        return f"hosts:{self.file}" + (f" over {', '.join(self.interfaces)}" if self.interfaces else "")

    def open(self, workers: int) -> Hosts:
        return Hosts(str(self.file), self.interfaces or (), self.ssh_port, self.ssh_identity_file)


@dataclass
class Hosts(AlwaysThere):
    """The file is read at once; whether the hosts answer is found out on entering."""

    path: Path | str
    interfaces: tuple[str, ...] = ()
    ssh_port: int | None = None
    ssh_identity_file: str | None = None
    kind: Kind = field(default="measured", init=False)
    places: tuple[Place, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.places = host_file.read(Path(self.path))

    @property
    def name(self) -> str:
        return f"hosts:{self.path}"

    def __enter__(self) -> Self:
        if not shutil.which("ssh"):
            raise ClusterError("ssh is not on PATH; horovodrun reaches the hosts with it")
        with ThreadPoolExecutor(min(32, len(self.places))) as pool:
            mistakes = [mistake for mistake in pool.map(self._mistake, self.places) if mistake]
        mistakes += self._same_machine_twice()
        if mistakes:
            raise ClusterError("\n".join(mistakes))
        return self

    def command(self, ranks: int, argv: Sequence[str], *, mpi: bool = False) -> list[str]:
        options: list[str] = []
        if self.ssh_port is not None:
            options += ["--ssh-port", str(self.ssh_port)]
        if self.ssh_identity_file is not None:
            options += ["--ssh-identity-file", self.ssh_identity_file]
        used = [(place.name, place.slots) for place in occupied(self.places, ranks)]
        return horovodrun(ranks, used, argv, options, interfaces=self.interfaces, mpi=mpi)

    def facts(self) -> ClusterFacts:
        return ClusterFacts(
            name=self.name,
            kind=self.kind,
            hosts=len(self.places),
            slots=max(place.slots for place in self.places),
            asked={
                "places": [f"{place.name}:{place.slots}" for place in self.places],
                "interfaces": list(self.interfaces),
            },
        )

    def _mistake(self, place: Place) -> str | None:
        if unknown := _unknown(place):
            return f"{self.path}:{unknown}"
        address = socket.gethostbyname(place.name)
        if len(self.places) > 1 and ipaddress.ip_address(address).is_loopback:
            return f"host {place.name!r} of {self.path} is {address}, at which the other hosts cannot reach it"
        # horovodrun does not use ssh for the machine it runs on, so that may be without an ssh server.
        shell = ["sh", "-c"] if address in _own_addresses() else [*self._ssh(), place.name]
        try:
            answer = subprocess.run(
                [*shell, _OWN_ADDRESS], capture_output=True, text=True, timeout=2 * _CONNECT_SECONDS
            )
        except subprocess.TimeoutExpired:
            return f"host {place.name!r} is unreachable: ssh did not finish in {2 * _CONNECT_SECONDS} s"
        if answer.returncode != 0:
            reason = (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
            return f"host {place.name!r} is unreachable by ssh: {reason}"
        return self._binds_wrongly(place, answer.stdout.strip())

    def _binds_wrongly(self, place: Place, address: str) -> str | None:
        """Horovod 0.28.1's Gloo would offer the other hosts an address at which they reach themselves."""
        if len(self.places) > 1 and address and ipaddress.ip_address(address).is_loopback:
            return (
                f"host {place.name!r} resolves its own name to {address}, which Gloo would bind to and nobody else "
                "could reach; its /etc/hosts must give the address of its network card"
            )
        return None

    def _ssh(self) -> list[str]:
        options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_SECONDS}"]
        options += ["-o", "StrictHostKeyChecking=no"]  # as horovodrun does
        if self.ssh_port is not None:
            options += ["-p", str(self.ssh_port)]
        if self.ssh_identity_file is not None:
            options += ["-i", self.ssh_identity_file]
        return ["ssh", *options]

    def _same_machine_twice(self) -> list[str]:
        first: dict[str, str] = {}
        mistakes = []
        for place in self.places:
            try:
                address = socket.gethostbyname(place.name)
            except OSError:
                continue  # reported already
            if address in first:
                mistakes.append(f"hosts {first[address]!r} and {place.name!r} of {self.path} are both {address}")
            first.setdefault(address, place.name)
        return mistakes


def unknown_hosts(path: Path | str) -> list[str]:
    """A line per host of a host file whose name cannot be resolved. Lines with other mistakes are passed over."""
    with ThreadPoolExecutor(32) as pool:
        return [f"{path}:{found}" for found in pool.map(_unknown, host_file.understood(Path(path))) if found]


def _unknown(place: Place) -> str | None:
    try:
        socket.gethostbyname(place.name)
    except OSError as error:
        return f"{place.line}: host {place.name!r} is unknown: {error.strerror}"
    return None


def _own_addresses() -> set[str]:
    return {address.address for card in psutil.net_if_addrs().values() for address in card}


def occupied(places: Sequence[Place], ranks: int) -> tuple[Place, ...]:
    """The places that `ranks` ranks fill in the order of the file; the last one may be filled in part."""
    capacity = sum(place.slots for place in places)
    if not 1 <= ranks <= capacity:
        raise ValueError(f"ranks is {ranks}, must be between 1 and {capacity}, the slots of the host file together")
    used: list[Place] = []
    left = ranks
    for place in places:
        if left <= 0:
            break
        used.append(Place(place.name, min(place.slots, left)))
        left -= place.slots
    return tuple(used)
