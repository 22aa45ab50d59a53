"""The clusters of a sweep, each kept up from the first run on it until the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from suite.cluster.contract import Cluster
from suite.cluster.network import Network
from suite.harness.signals import held
from suite.record.specification import Specification


class Clusters:
    """Keeps every cluster up from the first run on it until the sweep ends: making one and measuring it takes seconds."""

    def __init__(self, opener: Callable[[Network, int], Cluster]) -> None:
        self._opener = opener
        self._open: dict[tuple[str, int], Cluster] = {}

    def __enter__(self) -> Clusters:
        return self

    def __exit__(self, *error: object) -> None:
        with held():  # else a signal would leave namespaces and processes behind
            with contextlib.ExitStack() as all_of_them:
                for opened in self._open.values():
                    all_of_them.push(opened)
            self._open.clear()

    def get(self, specification: Specification) -> Cluster:
        key = _where(specification)
        if key not in self._open:
            opened = self._opener(specification.network, specification.workers)
            self._open[key] = opened.__enter__()
        return self._open[key]

    def doubt(self, specification: Specification) -> None:
        """The next run there gets a new one, whose wire is measured again."""
        opened = self._open.pop(_where(specification), None)
        if opened is not None:
            with held():
                opened.__exit__(None, None, None)


def _where(specification: Specification) -> tuple[str, int]:
    return specification.network.model_dump_json(), specification.workers
