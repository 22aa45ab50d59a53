"""Every kind of cluster by name, and how what is written becomes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny, ValidationError
from pydantic_core import InitErrorDetails, PydanticKnownError

from algorithms.mechanisms.suggest import nearest, unknown
from suite.cluster.elsewhere import ElsewhereNetwork
from suite.cluster.emulated.network import EmulatedNetwork
from suite.cluster.hosts import HostsNetwork
from suite.cluster.local import LocalNetwork
from suite.cluster.network import Network
from suite.cluster.on_ray import RayNetwork
from suite.cluster.virtual import VirtualNetwork

KINDS: dict[str, type[Network]] = {
    "local": LocalNetwork,
    "hosts": HostsNetwork,
    "ray": RayNetwork,
    "emulated": EmulatedNetwork,
    "virtual": VirtualNetwork,
    "elsewhere": ElsewhereNetwork,
}
USUAL = "emulated"  # where a file neither names a kind nor has a key that tells it


def asked(value: Any) -> Network:
    """From an experiment file: a name, or a table in which the kind's name may be missing."""
    table = {"name": value} if isinstance(value, str) else dict(_table(value))
    if "name" not in table:
        table["name"] = next((name for name, kind in KINDS.items() if kind.sign in table), USUAL)
    table["kind"] = table.pop("name")
    kind = KINDS.get(str(table["kind"]))
    return _made(table if kind is None else kind.spelled_out(table), written=True)


def recorded(value: Any) -> Network:
    """From a specification."""
    return value if isinstance(value, Network) else _made({"kind": "local"} | dict(_table(value)), written=False)


Recorded = Annotated[SerializeAsAny[Network], BeforeValidator(recorded)]


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PydanticKnownError("dict_type")
    return value


def _made(table: Mapping[str, Any], *, written: bool) -> Network:
    """All mistakes at once: keys that are not the kind's, and what the kind finds wrong with its own."""
    given = {key: item for key, item in table.items() if item is not None}
    kind = KINDS.get(str(given["kind"]))
    if kind is None:
        raise ValueError(unknown("kind of network", given["kind"], KINDS))
    foreign = [key for key in given if key not in kind.takes() and not _empty(key, given[key])]
    meant = {nearest(key, kind.takes()) for key in foreign}  # there, under a name with a mistake in it
    mistakes = [
        InitErrorDetails(
            type="value_error", loc=(key,), input=given[key], ctx={"error": ValueError(_refusal(kind, key))}
        )
        for key in foreign
    ]
    try:
        own = {key: item for key, item in given.items() if key not in foreign}
        made = kind.model_validate(own, strict=written, context={"written": True} if written else None)
    except ValidationError as error:
        mistakes += [
            InitErrorDetails(type=one["type"], loc=one["loc"], input=one["input"], ctx=one.get("ctx", {}))
            for one in error.errors()
            if not foreign or (one["loc"] and (one["type"] != "missing" or one["loc"][0] not in meant))
        ]
    if mistakes:
        raise ValidationError.from_exception_data("network", mistakes)
    return made


def _empty(key: str, value: Any) -> bool:
    """Records hold of every network what may be asked of every network."""
    return key in Network.model_fields and value == Network.model_fields[key].default


def _refusal(kind: type[Network], key: str) -> str:
    name = kind.model_fields["kind"].default
    if key in kind.lacks:
        return f"{key} {kind.lacks[key]}"
    for owner, other in KINDS.items():
        if key in other.takes():
            return f"{key} {other.owns or f'is for a network of kind {owner!r}'}, not one of kind {name!r}"
    return unknown("key", key, sorted({name for one in KINDS.values() for name in one.takes(written=True)}))
