"""One function from a specification to a cluster."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from algorithms.mechanisms.suggest import did_you_mean
from suite.cluster.contract import Cluster
from suite.cluster.emulated import Emulated
from suite.cluster.hosts import Hosts
from suite.cluster.local import Local
from suite.cluster.virtual import Virtual

_KINDS: dict[str, Callable[..., Cluster]] = {
    "local": Local,
    "hosts": Hosts,
    "emulated": Emulated,
    "virtual": Virtual,
}


def make(specification: Mapping[str, Any]) -> Cluster:
    """`{"kind": "emulated", "hosts": 4, "preset": "10GbE"}` and the like; not entered yet.

    The other keys are the arguments of Local, Hosts, Emulated or Virtual.
    """
    options = dict(specification)
    kind = options.pop("kind", "local")
    build = _KINDS.get(kind)
    if build is None:
        raise ValueError(f"cluster kind {kind!r} is unknown; known: {', '.join(_KINDS)}")
    known = list(inspect.signature(build).parameters)
    for key in options:
        if key not in known:
            hint = did_you_mean(key, known) or f"known: {', '.join(known) or 'none'}"
            raise ValueError(f"cluster kind {kind!r} has no {key!r}; {hint}")
    return build(**options)
