"""Small blocking collectives for moments that come rarely. They sleep while they wait: Horovod's own wait spins a core."""

from __future__ import annotations

import ctypes
import pickle
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import horovod.torch as hvd
import torch
from horovod.common.exceptions import HorovodInternalError
from horovod.torch import mpi_ops

from algorithms.mechanisms.errors import TrainingError
from algorithms.mechanisms.process_sets import first
from algorithms.torch.errors import RankStopped

# Horovod loses what is submitted while it ends: it looks whether it has ended before it queues, and at its end empties the
# queue. Whoever waits for such an exchange waits for ever, unless `arrived` asks whether Horovod is still there: another
# rank's leaving ends it, too, and no lock of this process guards against that. Two that end it at once end the process.
_door = threading.Lock()

# At its end Horovod lets go of its tensors behind a lock that whoever submits takes, interpreter in hand, and PyTorch
# takes the interpreter to let go of a tensor that then only Python refers to: each would wait for the other for ever. So
# whatever travels is referred to once more by PyTorch itself, until it has arrived; what is lost, for good.
_held: dict[int, list[torch.Tensor]] = {}

REST = 0.0005  # seconds between two looks at a handle


def submit(tensor: torch.Tensor, name: str, op: int, among: hvd.ProcessSet, *, factor: float = 1.0) -> int:
    """A reduction in place; Horovod fuses only what it scales alike."""
    return _begin(hvd.allreduce_async_, tensor, name=name, op=op, prescale_factor=factor, process_set=among)


def submit_together(tensors: Sequence[torch.Tensor], name: str, op: int, among: hvd.ProcessSet) -> int:
    """Several as one."""
    return _begin(hvd.grouped_allreduce_async_, tensors, name=name, op=op, process_set=among)


def _begin(exchange: Callable[..., int], given: torch.Tensor | Sequence[torch.Tensor], *which: int, **how: Any) -> int:
    held = [_referred_to(one) for one in ([given] if isinstance(given, torch.Tensor) else given)]
    with _door:
        handle = exchange(given, *which, **how)
    _held[handle] = held
    return handle


def _referred_to(tensor: torch.Tensor) -> torch.Tensor:
    alias = tensor.detach()
    alias.grad = tensor
    return alias


def take(handle: int) -> torch.Tensor:
    """The result of an exchange that has arrived."""
    result: torch.Tensor = hvd.synchronize(handle)
    _held.pop(handle, None)
    return result


def wait(handle: int) -> torch.Tensor:
    """The result of an exchange."""
    with understood():
        while not arrived(handle):
            time.sleep(REST)
        return take(handle)


def arrived(handle: int) -> bool:
    """Whether `synchronize` would not wait. HorovodInternalError for an exchange that Horovod has lost."""
    if hvd.poll(handle):
        return True
    if _ended() and not hvd.poll(handle):  # at its end it first answers everyone whom it knows
        raise HorovodInternalError("Horovod has been shut down, because another rank left or died.")
    return False


def _ended() -> bool:
    """Whether Horovod's own thread has gone. `hvd.is_initialized` says so only of a process that ended it itself."""
    horovod = mpi_ops._basics.MPI_LIB_CTYPES
    size = horovod.horovod_size()
    return bool(size < 0 or horovod.horovod_process_set_ranks(0, (ctypes.c_int * size)()) < 0)


def stopped(error: BaseException) -> RankStopped:
    """What a failed exchange means to the user."""
    return RankStopped(f"another rank has stopped, so this one cannot go on (look at its output first). {error}")


@contextmanager
def understood() -> Iterator[None]:
    """What Horovod raises, as the user sees it: it may have ended before an exchange as well as during it."""
    try:
        yield
    except RankStopped:
        raise
    except HorovodInternalError as error:
        raise stopped(error) from error


def total(tensor: torch.Tensor, name: str, among: hvd.ProcessSet) -> torch.Tensor:
    """The sum over ranks, in place."""
    with understood():
        return wait(submit(tensor, name, hvd.Sum, among))


def apart(tensors: Sequence[torch.Tensor], name: str, among: hvd.ProcessSet) -> None:
    """Exchange all at once and none with another, however small: Horovod fuses only what it scales alike."""
    factors = enumerate(tensors, start=1)
    with understood():
        for handle in [submit(one, f"{name}.{factor}", hvd.Sum, among, factor=factor) for factor, one in factors]:
            wait(handle)


def mean(tensor: torch.Tensor, name: str, among: hvd.ProcessSet) -> torch.Tensor:
    """The mean over ranks, in place."""
    with understood():
        return wait(submit(tensor, name, hvd.Average, among))


def answer(tensor: torch.Tensor, name: str, among: hvd.ProcessSet) -> None:
    """What others wait for in `mean`, from one who does not wait for them."""
    with understood():
        submit(tensor, name, hvd.Average, among)


def broadcast(tensor: torch.Tensor, name: str, among: hvd.ProcessSet) -> torch.Tensor:
    """The first one's of the set, in place."""
    with understood():
        return wait(broadcast_async(tensor, name, among))


def broadcast_async(tensor: torch.Tensor, name: str, among: hvd.ProcessSet) -> int:
    """The same without waiting."""
    return _begin(hvd.broadcast_async_, tensor, first(among, hvd.global_process_set), name=name, process_set=among)


def gather(value: object, name: str, among: hvd.ProcessSet) -> list[object]:
    """One picklable value of each rank, in rank order."""
    mine = torch.frombuffer(bytearray(pickle.dumps(value)), dtype=torch.uint8)
    lengths = torch.zeros(among.size(), dtype=torch.int64)
    lengths[among.rank()] = mine.numel()
    parts = total(lengths, name + ".lengths", among).tolist()
    # A sum, not Horovod's gathering: that makes a tensor of its own, which nothing could refer to in time (`_held`). Of
    # integers, because Horovod does not add bytes.
    everything = torch.zeros(sum(parts), dtype=torch.int32)
    torch.split(everything, parts)[among.rank()].copy_(mine)
    total(everything, name, among)
    return [pickle.loads(part.to(torch.uint8).numpy().tobytes()) for part in torch.split(everything, parts)]


def verdict(problem: str | None, name: str, among: hvd.ProcessSet) -> None:
    """Raise on every rank if any rank has a problem; the message says which."""
    problems = gather(problem, name, among)
    if not any(problems):
        return
    if len(set(problems)) == 1:
        raise ValueError(problems[0])
    raise ValueError("; ".join(f"rank {rank}: {said}" for rank, said in enumerate(problems) if said))


def meet() -> None:
    """Until every rank is here. A rank that still exchanges meanwhile is answered with zeros rather than left waiting.

    That is `hvd.join`, whose wait would spin.
    """
    last = torch.tensor(-1, dtype=torch.int)
    try:
        handle = _begin(mpi_ops.mpi_lib.horovod_torch_join, last, -1)
    except RuntimeError as error:
        raise stopped(error) from error
    mpi_ops._handle_map[handle] = (None, last)
    wait(handle)


def leave() -> None:
    """End Horovod here, and with it what is under way, on all ranks. A helper thread may do so at the same time."""
    with _door:
        hvd.shutdown()


def forget() -> None:
    """Free the tensors of exchanges that nobody will ask for: no helper is left."""
    _held.clear()
    mpi_ops._handle_map.clear()  # what is not in it `synchronize` takes for done, and no longer raises for


def same(values: Sequence[object], what: str, name: str, among: hvd.ProcessSet) -> None:
    """Raise on every rank, naming the ranks, where a description is not the same on all of them."""
    answers = gather(tuple(values), name, among)
    different = [rank for rank, answer in enumerate(answers) if answer != answers[0]]
    if different:
        first = answers[different[0]]
        assert isinstance(first, tuple) and isinstance(answers[0], tuple)
        pair = next(((a, b) for a, b in zip(answers[0], first, strict=False) if a != b), (answers[0], first))
        raise TrainingError(f"{what} of ranks 0 and {different} differ: {pair[0]!r} and {pair[1]!r}")
