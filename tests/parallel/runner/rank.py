"""The pytest plugin inside each rank: runs the chosen tests in the chosen order and tells the parent about each."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import time
from collections.abc import Generator
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

import pytest

from tests.parallel.runner.messages import Answer, Ended, Ready, Started

OUTPUT_LIMIT = 20_000
ORPHAN_POLL_SECONDS = 2.0


def own_rank() -> int:
    """As horovodrun tells it over Gloo, or Open MPI over MPI."""
    return int(os.environ.get("HOROVOD_RANK") or os.environ["OMPI_COMM_WORLD_RANK"])


def output_path(folder: Path, rank: int) -> Path:
    return folder / f"rank-{rank}.output"


def stacks_path(folder: Path, rank: int) -> Path:
    return folder / f"rank-{rank}.stacks"


def tail_of(path: Path, start: int = 0) -> str:
    """The end of what a rank wrote from byte `start` on."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(start, end - OUTPUT_LIMIT))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rank of a parallel test")
    group.addoption("--rank-folder", type=Path, required=True, help="folder of this launch: socket, test list, outputs")
    group.addoption("--rank-parent", type=int, required=True, help="process that launched this rank")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    folder: Path = config.getoption("--rank-folder")
    rank = own_rank()
    # Not the asking pytest's folder, which every rank would empty for itself.
    config.option.basetemp = folder / f"rank-{rank}.temporary"
    # Own files for own output: nothing is lost when the process dies, and each test's part is known exactly.
    output = os.open(output_path(folder, rank), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    stacks = stacks_path(folder, rank).open("w")
    faulthandler.register(signal.SIGUSR1, file=stacks, all_threads=True)
    threading.Thread(target=_leave_with, args=(config.getoption("--rank-parent"),), daemon=True).start()
    config.pluginmanager.register(RankPlugin(folder, rank), "one-rank")


def _leave_with(parent: int) -> None:
    """End this rank when the parent was killed, whatever the test is doing."""
    while True:
        time.sleep(ORPHAN_POLL_SECONDS)
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(70)


class RankPlugin:
    def __init__(self, folder: Path, rank: int) -> None:
        self.rank = rank
        self.wanted = (folder / "tests").read_text().splitlines()
        self.output = output_path(folder, rank)
        self.reports: list[pytest.TestReport] = []
        self.problem = ""
        self.connection: Connection = Client(str(folder / "socket"))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.problem += report.longreprtext

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        items = session.items
        found = {item.nodeid: item for item in items}
        items[:] = [found[test] for test in self.wanted if test in found]
        for item in items:
            # The parent keeps the time: an alarm here could not interrupt a collective.
            item.add_marker(pytest.mark.timeout(0), append=False)
        missing = tuple(test for test in self.wanted if test not in found)
        self.connection.send(Ready(self.rank, os.getpid(), missing, self.problem))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        self._wait(session)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        if item.session.shouldstop:
            return True
        self.reports = []
        start = self.output.stat().st_size
        self.connection.send(Started(self.rank, item.nodeid))
        result = yield
        reports = [item.config.hook.pytest_report_to_serializable(config=item.config, report=r) for r in self.reports]
        self.connection.send(Ended(self.rank, item.nodeid, reports, tail_of(self.output, start)))
        self._wait(item.session)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(report)

    def _wait(self, session: pytest.Session) -> None:
        try:
            answer = self.connection.recv()
        except EOFError:
            answer = Answer.STOP
        if answer is Answer.STOP:
            session.shouldstop = "told to stop"
