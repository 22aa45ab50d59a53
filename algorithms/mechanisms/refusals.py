"""What a binding cannot do of an algorithm, refused when it is attached."""

from __future__ import annotations

from algorithms.contract import Reads, Reduction, Rounds
from algorithms.mechanisms.quorum.rules import rules


def refuse_unfit_rounds(algorithm: Rounds, *, workers: int, mpi: bool, unseen: Reads, because: str) -> None:
    """Raise ValueError for rounds that no binding can carry out here, or not one that does not see these (`unseen`)."""
    rules(algorithm, workers)
    if algorithm.reduction is Reduction.ADASUM and workers > 1 and not mpi:
        raise ValueError(
            f"algorithm={algorithm.name!r}: this job reduces with Gloo, which has no Adasum; "
            "build Horovod with MPI (`make setup MPI=on`) and launch with `horovodrun --mpi`"
        )
    missing = (algorithm.local_reads or Reads.NOTHING) & unseen
    if missing:
        raise ValueError(f"algorithm={algorithm.name!r}: looks in local steps at {missing}, {because}")
    if algorithm.overlap and algorithm.quorum(workers) < workers:
        raise ValueError(f"overlap={algorithm.overlap}: must be 0 where rounds begin without all workers")
