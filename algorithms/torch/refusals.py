"""What PyTorch cannot do of an algorithm with rounds, or not with what the user asked for beside it."""

from __future__ import annotations

import horovod.torch as hvd

from algorithms.contract import Place, Reads, Reduction, Rounds
from algorithms.mechanisms.process_sets import NO_ADASUM
from algorithms.mechanisms.refusals import refuse_unfit_rounds
from algorithms.torch.driver import Attached


def refuse_unfit(algorithm: Rounds, attached: Attached) -> None:
    """Raise ValueError for what this driver cannot do here."""
    if algorithm.reduction is Reduction.ADASUM and not attached.with_all:
        raise ValueError(NO_ADASUM)
    refuse_unfit_rounds(
        algorithm,
        workers=attached.workers,
        mpi=hvd.mpi_enabled(),
        unseen=Reads.BEFORE | (Reads.CENTRE | Reads.ROUND if algorithm.overlap else Reads.NOTHING),
        because="and PyTorch keeps neither the parameters before a step nor, while a round overlaps, the centre",
    )
    if attached.clip_norm is not None and algorithm.optimizer_at is Place.WORKER:
        raise ValueError(
            f"clip_norm={attached.clip_norm}: {algorithm.name} never averages gradients; "
            "clip each worker's with torch.nn.utils.clip_grad_norm_ before step()"
        )
