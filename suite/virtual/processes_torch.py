"""The same source of gradients on several cores: processes that hold the net and the data, and vectors they all see.

Passes are the same whoever computes them, and are summed in the same order, so the number of processes changes no bit.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from algorithms.virtual.gradients import Share
from suite.experiment import choices
from suite.rank.sources import open_source
from suite.record.specification import Specification
from suite.virtual.batches import Batches
from suite.virtual.gradients_torch import Told, one_pass, passes
from suite.virtual.net_torch import FlatNet

DEPTH = 3  # passes that a process has on its desk: it need not wait while this one is busy


@dataclass(eq=False)
class Pass:
    """One pass: asked for, under way at a place of a process, or done."""

    shares: list[Share]
    parameters: Tensor
    place: int | None = None
    losses: list[float] | None = None


class Shared:
    """For each place of a process a vector that goes there and one that comes back, in memory that both see.

    Memory without a file rather than /dev/shm, of which containers have little.
    """

    def __init__(self, path: str, places: int, size: int, dtype: torch.dtype) -> None:
        with Path(path).open("r+b") as file:
            mapped = mmap.mmap(file.fileno(), 0)
        both = torch.frombuffer(mapped, dtype=dtype).view(places, 2, -1)[:, :, :size]
        self.there, self.back = both[:, 0], both[:, 1]

    @staticmethod
    def bytes(places: int, size: int, dtype: torch.dtype) -> int:
        """Each vector begins on a page, so that it is aligned as one that was allocated."""
        page = mmap.PAGESIZE
        return places * 2 * -(-size * dtype.itemsize // page) * page


class Desk:
    """One process, as this one sees it."""

    def __init__(self, specification: Specification, size: int, dtype: torch.dtype) -> None:
        memory = os.memfd_create("farandole-gradients")
        os.ftruncate(memory, Shared.bytes(DEPTH, size, dtype))
        path = f"/proc/{os.getpid()}/fd/{memory}"
        self.shared = Shared(path, DEPTH, size, dtype)
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        given = (specification.model_dump_json(), path, str(dtype).removeprefix("torch."), theirs)
        self.process = context.Process(target=_serve, args=given, daemon=True)
        self.process.start()
        theirs.close()
        self.free = deque(range(DEPTH))
        self.working: dict[int, Pass] = {}
        self.memory = memory

    def give(self, work: Pass) -> None:
        place = self.free.popleft()
        self.shared.there[place].copy_(work.parameters)
        self.working[place] = work
        work.place = place
        self.connection.send((place, [tuple(share) for share in work.shares]))

    def close(self) -> None:
        self.connection.close()
        self.process.join(1)
        if self.process.is_alive():
            self.process.terminate()
        os.close(self.memory)


class InProcesses:
    """A `Source` of gradients; a context manager, which ends its processes."""

    looks_ahead = True

    def __init__(self, specification: Specification, count: int, net: FlatNet, batches: Batches, told: Told) -> None:
        self.net, self.batches, self.told = net, batches, told
        size, dtype = len(net.initial), net.initial.dtype
        self.desks = [Desk(specification, size, dtype) for _ in range(count)]
        self.at: dict[Pass, Desk] = {}
        self.waiting: deque[Pass] = deque()
        self.asked: dict[tuple[int, int], Pass] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for desk in self.desks:
            desk.close()

    def __call__(self, worker: int, step: int, parameters: Tensor) -> Tensor:
        found = self.asked.pop((worker, step), None)
        if found is None or found.parameters is not parameters:
            return self.total([Share(worker, step, 1.0)], parameters)
        return self._take(found, None)

    def total(self, shares: Sequence[Share], parameters: Tensor) -> Tensor:
        wanted = [Pass(those, parameters) for those in passes(shares, self.batches, self.net.joins)]
        self.waiting.extendleft(reversed(wanted))  # before what is only wanted later
        self._hand_out()
        total: Tensor | None = None
        for work in wanted:
            total = self._take(work, total)
        assert total is not None
        return total

    def ahead(self, worker: int, step: int, parameters: Tensor) -> None:
        work = Pass([Share(worker, self.batches.number(worker, step), 1.0)], parameters)
        self.asked[worker, step] = work
        self.waiting.append(work)
        self._look(0)

    def _take(self, work: Pass, total: Tensor | None) -> Tensor:
        """The pass's gradient, added to a total where there is one."""
        while work.losses is None:
            if work.place is None and self.waiting and self.waiting[0] is not work:
                self.waiting.remove(work)
                self.waiting.appendleft(work)
            self._look(None)
        desk, place = self.at.pop(work), work.place
        assert place is not None
        back = desk.shared.back[place]
        total = back.clone() if total is None else total.add_(back)
        desk.free.append(place)
        self._hand_out()
        for share, loss in zip(work.shares, work.losses, strict=True):
            self.told(share.worker, share.step, loss)
        return total

    def _look(self, seconds: float | None) -> None:
        """Take in what has come back; wait for something if there is no limit in seconds."""
        self._hand_out()
        for connection in wait([desk.connection for desk in self.desks], seconds):
            desk = next(one for one in self.desks if one.connection is connection)
            try:
                place, losses = desk.connection.recv()
            except EOFError:
                raise RuntimeError(f"a process that computes gradients ended (exit {desk.process.exitcode})") from None
            if isinstance(losses, str):
                raise RuntimeError(losses)
            desk.working.pop(place).losses = losses

    def _hand_out(self) -> None:
        while self.waiting:
            desk = min(self.desks, key=lambda one: len(one.working) if one.free else DEPTH + 1)
            if not desk.free:
                return
            work = self.waiting.popleft()
            self.at[work] = desk
            desk.give(work)


def _serve(text: str, path: str, dtype: str, connection: Connection) -> None:
    """In the other process: until nobody is at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    specification = Specification.model_validate_json(text)
    torch.set_num_threads(specification.threads)
    chosen: torch.dtype = torch.float64 if dtype == "float64" else torch.float32
    net = FlatNet(choices.net_of(specification.model), specification.seed, dtype=chosen)
    batches = Batches(open_source(specification, "train", 0, specification.workers, every_rank=True))
    shared = Shared(path, DEPTH, len(net.initial), chosen)
    try:
        while True:
            place, shares = connection.recv()
            try:
                gradient, losses = one_pass(net, batches, [Share(*share) for share in shares], shared.there[place])
                shared.back[place].copy_(gradient)
                connection.send((place, losses))
            except Exception:
                connection.send((place, traceback.format_exc(limit=-3)))
    except (EOFError, OSError, BrokenPipeError):
        return
