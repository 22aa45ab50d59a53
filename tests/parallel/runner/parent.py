"""The pytest plugin of the asking process: groups the tests by launch, runs each group, reports each test."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from suite.warm.owner import Entrance
from tests.parallel.runner.job import Job, Outcome
from tests.parallel.runner.merge import merge
from tests.warm_processes import IMPORTS, warm_processes


@dataclass(frozen=True)
class Launch:
    """What tests must share to run in the same processes."""

    file: Path
    ranks: int
    environment: tuple[tuple[str, str], ...] = ()
    mpi: bool = False

    def warm(self, config: pytest.Config) -> Entrance | None:
        """The process that has imported the frameworks in the file's name.

        None where ranks must start cold: MPI looks after processes that it started itself, and only of Horovod's own
        variables is it sure that nothing reads them before Horovod begins.
        """
        if self.mpi or not all(name.startswith("HOROVOD_") for name, _ in self.environment):
            return None
        return warm_processes(config).having(*(word for word in self.file.stem.split("_") if word in IMPORTS))


@dataclass
class Group:
    launch: Launch
    tests: list[str] = field(default_factory=list)
    job: Job | None = None

    def outcome(self, test: str, limit: float, config: pytest.Config) -> Outcome:
        self.tests = self.tests[self.tests.index(test) :]
        if self.job is None:
            chosen = self.launch
            self.job = Job(
                chosen.file,
                self.tests,
                chosen.ranks,
                dict(chosen.environment),
                config.rootpath,
                mpi=chosen.mpi,
                warm=chosen.warm(config),
                device=config.getoption("--device", default="cpu"),
            )
        outcome = self.job.run(test, limit)
        self.tests.remove(test)
        if outcome.failed:
            self.job = None
        elif not self.tests:
            self.close()
        return outcome

    def close(self) -> None:
        if self.job is not None:
            self.job.close()
            self.job = None


GROUPS = pytest.StashKey[dict[Launch, Group]]()
LAUNCH = pytest.StashKey[Launch]()
LIMIT = pytest.StashKey[float]()


def marked_ranks(function: pytest.Function | pytest.Metafunc) -> tuple[tuple[int, ...], dict[str, str], bool]:
    node = function.definition if isinstance(function, pytest.Metafunc) else function
    marker = node.get_closest_marker("ranks")
    if marker is None:
        raise pytest.Collector.CollectError(
            f"{node.nodeid} says not on how many ranks it runs: give the file `pytestmark = pytest.mark.ranks(2)`"
        )
    counts = marker.args
    environment = marker.kwargs.get("environment", {})
    whole = all(isinstance(count, int) and 1 <= count <= 16 for count in counts)
    if not counts or not whole or set(marker.kwargs) - {"environment", "mpi"}:
        raise pytest.Collector.CollectError(
            f"{node.nodeid}: ranks{counts!r} {marker.kwargs!r} is not ranks(2) or ranks(2, 4), each 1 to 16, "
            'optionally with environment={"NAME": "value"} and mpi=True'
        )
    return counts, {str(name): str(value) for name, value in environment.items()}, bool(marker.kwargs.get("mpi", False))


def arrange(items: list[pytest.Item], config: pytest.Config) -> None:
    """Put tests of the same launch next to each other and note for each its launch and its time limit."""
    groups: dict[Launch, Group] = config.stash.setdefault(GROUPS, {})
    places: dict[Launch, int] = {}
    order: list[tuple[int, pytest.Item]] = []
    for place, item in enumerate(items):
        if not isinstance(item, pytest.Function) or item.get_closest_marker("ranks") is None:
            order.append((place, item))
            continue
        # Not `fixturenames`: a test that does not take the fixture is still run once per number of ranks.
        if not hasattr(item, "callspec") or "ranks" not in item.callspec.params:
            raise pytest.UsageError(f"{item.nodeid}: tests marked with `ranks` belong into tests/parallel")
        _, environment, mpi = marked_ranks(item)
        if mpi and not has_mpi():
            item.add_marker(pytest.mark.skip("this Horovod has no MPI, or there is no mpirun (`make setup MPI=on`)"))
            order.append((place, item))
            continue
        launch = Launch(item.path, item.callspec.params["ranks"], tuple(sorted(environment.items())), mpi)
        groups.setdefault(launch, Group(launch)).tests.append(item.nodeid)
        item.stash[LAUNCH] = launch
        item.stash[LIMIT] = _limit(item)
        item.add_marker(pytest.mark.timeout(0), append=False)  # the runner keeps the time itself
        order.append((places.setdefault(launch, place), item))
    items[:] = [item for _, item in sorted(order, key=lambda pair: pair[0])]


@functools.cache
def has_mpi() -> bool:
    import horovod.torch as hvd

    return bool(hvd.mpi_built()) and shutil.which("mpirun") is not None


def _limit(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    asked = (marker.args[0] if marker.args else marker.kwargs.get("timeout")) if marker else None
    option = item.config.getoption("timeout", None)
    limit = float(next(v for v in (asked, option, item.config.getini("timeout") or None, 120.0) if v is not None))
    return limit if limit > 0 else 3600.0


def report(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run one test on its ranks and report it here, in the place of pytest's own protocol."""
    launch = item.stash.get(LAUNCH, None)
    if launch is None:
        return None
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    group = item.config.stash[GROUPS][launch]
    outcome = group.outcome(item.nodeid, item.stash[LIMIT], item.config)
    if item.get_closest_marker("ends_ranks"):
        group.close()
    for part in merge(item, outcome):
        hook.pytest_runtest_logreport(report=part)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    # Nothing was set up here, but what an earlier ordinary test left set up must go before the next one.
    item.session._setupstate.teardown_exact(nextitem)
    return True


def close_all(config: pytest.Config) -> None:
    for group in config.stash.get(GROUPS, {}).values():
        group.close()


def is_rank(config: pytest.Config) -> bool:
    return config.pluginmanager.has_plugin("one-rank")


def names(counts: Sequence[int]) -> Iterator[str]:
    return (f"np{count}" for count in counts)
