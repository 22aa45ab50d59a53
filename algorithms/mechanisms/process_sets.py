"""The ranks that train together, where they are not all: Horovod's process sets, in the same words in every binding."""

from __future__ import annotations

from typing import Any, Protocol


class Ranks(Protocol):
    """What is asked of Horovod's own class, which is another one in each binding's eyes."""

    process_set_id: int | None
    ranks: list[int] | None

    def included(self) -> bool | None: ...


def refuse_set(among: Any, everyone: Ranks, rank: int) -> None:
    """Raise ValueError for what is no set of Horovod's, or one that this rank is not in.

    On each rank by itself: there is nobody yet to tell.
    """
    if among is everyone:
        return  # whatever its list of ranks says: Horovod was seen to leave it empty after beginning anew
    if not isinstance(among, type(everyone)) or among.process_set_id is None:
        raise ValueError(
            f"process_set={among}: must be an hvd.ProcessSet that Horovod knows, from hvd.init(process_sets=[...]) or "
            "hvd.add_process_set(...)"
        )
    if not among.included():
        raise ValueError(f"process_set={among.ranks}: rank {rank} is not in it; only its ranks wrap and train")


def first(among: Any, everyone: Ranks) -> int:
    """Which rank of all is rank 0 of the set; Horovod calls the root of a broadcast by that number."""
    return 0 if among is everyone else int(among.ranks[0])


NO_CONTROL = (
    "process_set: stock_horovod is the control, of all ranks; use hvd.DistributedOptimizer(..., process_set=...) itself, "
    "or Synchronous(overlap=True)"
)
NO_ADASUM = "process_set: Horovod combines all ranks by Adasum or none; use another algorithm"
