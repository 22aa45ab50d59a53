"""Why a run ended as it did: from what the command returned and what the ranks wrote, to one outcome. Pure.

The first cause wins. When one rank dies, the others fail too ("Horovod has been shut down", "Connection closed by
peer"), and horovodrun ends them: those are consequences and are named only if nothing better is known.
"""

from __future__ import annotations

import errno
import math
import re
import signal
from collections.abc import Sequence
from dataclasses import replace

from suite.harness.executor import Ended
from suite.rank.samples import Failure, RankFile
from suite.record.faults import Fault
from suite.record.outcome import Diverged, Failed, Finished, Reason

STDERR_CHARACTERS = 4000

_EXIT = re.compile(r"Process (\d+) exit with status code (-?\d+)")
_MPI_SIGNAL = re.compile(r"process rank (\d+) .* exited on signal (\d+)")
_UNREACHABLE = re.compile(
    r"could not connect to some hosts via ssh|ssh: connect to host|ssh: Could not resolve|No route to host"
    r"|Permission denied \(publickey|Host key verification failed|no emulated host|emulated \S+ is gone",
)
_MEMORY = re.compile(
    r"out of memory|cannot allocate memory|can't allocate memory|DefaultCPUAllocator: not enough memory"
    r"|std::bad_alloc|OOM when allocating|ResourceExhausted",
    re.IGNORECASE,
)
_HUNG_STACK = re.compile(r"^Timeout \(\d+:\d+:\d+", re.MULTILINE)  # what faulthandler says before the stacks
# Set-up chatter of frameworks and launchers that would push the real error out of the kept end.
_NOISE = re.compile(
    r"absl::InitializeLog|oneDNN custom operations|cpu_feature_guard|To enable the following instructions"
    r"|resource_tracker|warnings\.warn\('resource_tracker",
)


def diagnose(
    ended: Ended,
    ranks: Sequence[RankFile],
    members: Sequence[int],
    *,
    deadline: float,
    replicas_agree: bool,
    fault: Fault | None = None,
) -> Finished | Diverged | Failed:
    """`members`: the ranks that are to end well; `replicas_agree`: the algorithm promises that they do with one digest.

    Whom a `fault` takes away is no cause of anything.
    """
    if fault is not None:
        ended = _without(ended, fault.gone)
        ranks = [rank for rank in ranks if rank.rank != fault.gone]
    together = fault is None  # have all ranks begun; who joins later is on this machine, and has its clock
    for verdict in (
        _interrupted(ended),
        _unstartable(ended),
        _diverged(ranks),
        _own_failure(ended, ranks, together),
        _unreachable(ended),
        _killed(ended),
        _hung(ended, ranks, members, deadline),
        _unexplained(ended, ranks, members, together),
        _verified(ended, ranks, members, replicas_agree),
        _unchanged(ended, ranks, fault),
    ):
        if verdict is not None:
            return verdict
    return Finished()


def _without(ended: Ended, rank: int | None) -> Ended:
    """Less what the launcher says of that process."""

    def others(text: str) -> str:
        said = (
            line
            for line in text.splitlines(keepends=True)
            if (found := _EXIT.search(line)) is None or int(found[1]) != rank
        )
        return "".join(said)

    return replace(ended, output=others(ended.output), errors=others(ended.errors))


def _unchanged(ended: Ended, ranks: Sequence[RankFile], fault: Fault | None) -> Failed | None:
    """A run whose fault came too late for anyone to notice is no measurement of it."""
    if fault is None or any(rank.recoveries for rank in ranks):
        return None
    message = (
        f"the run was over before its workers had changed ({fault.text}): it needs more steps, or an earlier fault"
    )
    return _failed(ended, Reason.VERIFICATION, message)


def stderr_end(ended: Ended, limit: int = STDERR_CHARACTERS) -> str:
    """The end of standard error without set-up chatter."""
    lines = [line for line in ended.errors.splitlines() if not _NOISE.search(line)]
    return "\n".join(lines)[-limit:]


def _failed(ended: Ended, reason: Reason, message: str, rank: int | None = None, step: int | None = None) -> Failed:
    return Failed(
        reason=reason,
        message=message,
        rank=rank,
        step=step,
        stderr_end=stderr_end(ended),
        exit_code=ended.code,
    )


def _interrupted(ended: Ended) -> Failed | None:
    if ended.how != "interrupted":
        return None
    return _failed(ended, Reason.INTERRUPTED, f"the harness was interrupted {ended.seconds:.0f} s into the run")


def _unstartable(ended: Ended) -> Failed | None:
    if ended.how != "unstartable":
        return None
    return _failed(ended, Reason.START, f"the command could not be started: {ended.errors.strip()}")


def _diverged(ranks: Sequence[RankFile]) -> Diverged | None:
    found = [rank.diverged for rank in ranks if rank.diverged is not None]
    if not found:
        return None
    step, message = min(found)
    return Diverged(step=step, message=message)


def _first(failed: Sequence[tuple[Failure, RankFile]], together: bool) -> tuple[Failure, RankFile]:
    """The earliest, by the time since all ranks began `together`, since clocks of hosts differ; by the clock where one has
    not come so far."""
    together = together and all(math.isfinite(rank.zero) for _, rank in failed)
    return min(failed, key=lambda one: one[0].time - (one[1].zero if together else 0.0))


def _failures(ranks: Sequence[RankFile]) -> list[tuple[Failure, RankFile]]:
    return [(rank.failure, rank) for rank in ranks if rank.failure is not None]


def _own_failure(ended: Ended, ranks: Sequence[RankFile], together: bool) -> Failed | None:
    """The earliest error that is a rank's own."""
    own = [(failure, rank) for failure, rank in _failures(ranks) if not failure.consequence]
    if not own:
        return None
    failure, rank = _first(own, together)
    reason = _reason(failure, rank)
    when = "before its first step" if rank.last_step is None else f"after step {rank.last_step}"
    return _failed(ended, reason, f"rank {rank.rank} {when}: {failure.message}", rank.rank, rank.last_step)


def _reason(failure: Failure, rank: RankFile) -> Reason:
    text = f"{failure.kind}: {failure.message}"
    if failure.kind == "MemoryError" or _MEMORY.search(text):
        return Reason.MEMORY
    if f"[Errno {errno.ENOSPC}]" in text or "No space left on device" in text:
        return Reason.DISK
    return Reason.START if rank.last_step is None else Reason.ERROR


def _unreachable(ended: Ended) -> Failed | None:
    text = f"{ended.errors}\n{ended.output}"
    found = _UNREACHABLE.search(text)
    if ended.code == 0 or not found:
        return None
    line = next(line.strip() for line in text.splitlines() if found.group() in line)
    return _failed(ended, Reason.UNREACHABLE, line)


def _killed(ended: Ended) -> Failed | None:
    """Exit codes above 128 are signals, as shells tell them; the first one counts. Those that we sent are no cause."""
    if ended.how != "exited":
        return None
    text = f"{ended.output}\n{ended.errors}"
    found = _EXIT.search(text)
    rank, number = (int(found[1]), int(found[2])) if found else (None, 0)
    mpi = _MPI_SIGNAL.search(text)
    if mpi:
        rank, number = int(mpi[1]), -int(mpi[2])
    number = number - 128 if number > 128 else -number
    if rank is None or not 0 < number < signal.NSIG or _HUNG_STACK.search(text):
        return None
    name = signal.Signals(number).name
    if number == signal.SIGKILL and ended.out_of_memory_kills:
        return _failed(ended, Reason.MEMORY, f"rank {rank} was killed by the system for want of memory", rank)
    if number == signal.SIGABRT and _MEMORY.search(text):
        return _failed(ended, Reason.MEMORY, f"rank {rank} aborted for want of memory", rank)
    return _failed(ended, Reason.KILLED, f"rank {rank} was ended by {name}", rank)


def _hung(ended: Ended, ranks: Sequence[RankFile], members: Sequence[int], deadline: float) -> Failed | None:
    if ended.how != "deadline" and not _HUNG_STACK.search(ended.errors):
        return None
    places = {rank.rank: _place(rank) for rank in ranks}
    told = ", ".join(f"rank {rank} {places.get(rank, 'never started')}" for rank in members)
    behind = [rank for rank in ranks if not rank.over]
    slowest = min(behind, key=lambda rank: -1 if rank.last_step is None else rank.last_step, default=None)
    return _failed(
        ended,
        Reason.HUNG,
        f"no end within {deadline:.0f} s: {told}",
        None if slowest is None else slowest.rank,
        None if slowest is None else slowest.last_step,
    )


def _place(rank: RankFile) -> str:
    if rank.end is not None:
        return "had finished"
    if rank.failure is not None:
        return f"had failed ({rank.failure.message})"
    if rank.last_step is not None:
        return f"was past step {rank.last_step}"
    return "was starting" if rank.startup is None else "was before its first step"


def _unexplained(ended: Ended, ranks: Sequence[RankFile], members: Sequence[int], together: bool) -> Failed | None:
    """A bad exit code, or ranks that only blame others."""
    blaming = _failures(ranks)
    finished = len(ranks) == len(members) and all(rank.end is not None for rank in ranks)
    if not blaming and (ended.code == 0 or (ended.how == "lingering" and finished)):
        return None
    if blaming:
        failure, first = _first(blaming, together)
        missing = sorted(set(members) - {rank.rank for _, rank in blaming})
        suspects = f"; no word from rank {', '.join(map(str, missing))}" if missing else ""
        message = f"rank {first.rank} lost the others: {failure.message}{suspects}"
        return _failed(ended, Reason.ERROR, message, first.rank, first.last_step)
    found = _EXIT.search(f"{ended.output}\n{ended.errors}")
    rank = int(found[1]) if found else None
    reason = Reason.ERROR if any(one.steps for one in ranks) else Reason.START
    return _failed(ended, reason, f"exit code {ended.code}: {_last_words(ended, rank)}", rank)


def _last_words(ended: Ended, rank: int | None) -> str:
    """The last line of the rank that ended first, or of everybody. horovodrun says whose a line is."""
    lines = [line.strip() for line in stderr_end(ended, limit=1 << 20).splitlines() if line.strip()]
    own = [line.partition(":")[2].strip() for line in lines if line.startswith(f"[{rank}]<stderr>:")]
    return next(iter(reversed([line for line in own if line] or lines)), "no message")


def _verified(ended: Ended, ranks: Sequence[RankFile], members: Sequence[int], replicas_agree: bool) -> Failed | None:
    missing = sorted(set(members) - {rank.rank for rank in ranks if rank.end is not None})
    if missing:
        names = ", ".join(map(str, missing))
        message = f"the command ended well, but rank {names} left no end; is the folder of records shared by all hosts?"
        return _failed(ended, Reason.VERIFICATION, message, missing[0])
    digests = {rank.rank: str(rank.end["digest"]) for rank in ranks if rank.end is not None}
    if replicas_agree and len(set(digests.values())) > 1:
        lead = min(digests)
        first = next(rank for rank in sorted(digests) if digests[rank] != digests[lead])
        message = (
            f"rank {first} ended with other parameters than rank {lead}, although this algorithm promises equal ones"
        )
        return _failed(ended, Reason.VERIFICATION, message, first)
    return None
