"""The warm processes of a sweep: its ranks begin as copies of one that has imported their framework (`suite.warm`)."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from suite.experiment import choices
from suite.record.specification import Specification
from suite.warm.owner import WarmPython

IMPORT_SECONDS = 600.0  # TensorFlow takes 20 on two idle cores
READ_LATER = "HOROVOD_"  # settings that nobody reads before Horovod begins


class WarmRanks:
    """Each framework is imported by the first run that needs it, once for all that follow."""

    def __init__(self) -> None:
        self._started: dict[tuple[object, ...], WarmPython] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._started.values():
            process.close()

    def command(self, specification: Specification, settings: Mapping[str, str], path: str) -> list[str] | None:
        """What a rank runs, once what it needs is imported; None where a rank has to be a Python of its own."""
        network = specification.network
        if not copied(specification):
            return None
        modules = network.imported[specification.framework]
        early = {name: value for name, value in settings.items() if not name.startswith(READ_LATER)}
        key = (modules, *sorted(early.items()))
        warm = self._started.get(key)
        if warm is None or not warm.alive:
            warm = self._started[key] = WarmPython(modules, early)
        if not warm.wait(IMPORT_SECONDS):
            warm.process.kill()  # who imports hears nothing else
            self._started.pop(key).close()
            raise TimeoutError(f"{', '.join(modules)} were not imported within {IMPORT_SECONDS:g} s")
        return warm.command(network.worker, path)


def copied(specification: Specification) -> bool:
    """Not on other machines; not where what counts is what a process of its own holds, or how long one takes to come.

    MPI wants the process that it started.
    """
    return (
        specification.network.here
        and specification.framework in specification.network.imported
        and specification.measure_memory is None
        and specification.faults is None
        and not choices.needs_mpi(specification)
    )
