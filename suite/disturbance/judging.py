"""Which runs were disturbed: those around which more happened than around the quietest run of their sweep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suite.record.rank import Surroundings
from suite.record.schema import Record

# How far above the sweep's quietest a run may be. On two cores (`python -m tests.disturbance.figures`) other processes had
# 0.02 to 0.04 of a core in quiet runs, 0.3 to 0.4 beside a neighbour of 5 s; the piece of work 173 to 203 us always.
OTHERS = 0.15  # of a core, taken by other processes over the whole run
BURST = 0.40  # of a core, over two seconds and more
BURST_SECONDS = 2.0
STOLEN = 0.03  # of all cores
SLOWER = 1.35  # times as long for the same piece of work
# Of the looks, which one says how long the piece took. Where a look timed the piece as a whole, interrupts of an emulated
# network have spoilt most looks; the fastest tenth they do not reach.
AMONG_PIECES, AS_A_WHOLE = 0.75, 0.1


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What happened on one machine during one run."""

    others: float  # cores that were busy with something else
    burst: float  # the most of them over `BURST_SECONDS`
    stolen: float  # share of all cores
    work: float  # seconds for the piece of work
    ranks: int  # of the run, on this machine: they and what starts them share its cores with the piece of work


def seen(record: Record) -> dict[str, Seen]:
    """By machine; empty where the ranks could not say."""
    machines: dict[str, list[Surroundings]] = defaultdict(list)
    for rank in record.ranks:
        if rank.surroundings is not None:
            machines[rank.surroundings.machine].append(rank.surroundings)
    found = {}
    for machine, ranks in machines.items():
        leader = next((one for one in ranks if one.idle), None)
        if leader is not None and leader.moments[-1] > BURST_SECONDS:
            found[machine] = _seen(leader, ranks)
    return found


def _seen(leader: Surroundings, ranks: Sequence[Surroundings]) -> Seen:
    moments = np.array(leader.moments)
    seconds = moments[-1] - moments[0]
    # What was neither idle, nor stolen, nor spent in interrupts, nor by a rank of ours, somebody else has had.
    own = sum(np.interp(moments, one.moments, one.own) for one in ranks)
    busy = leader.cores * moments - np.array(leader.idle) - np.array(leader.interrupts) - np.array(leader.stolen)
    others = busy - own
    looks = np.concatenate([one.work for one in ranks])  # every emulated host has a rank that looks
    # An interrupt served while a rank ran stands in its time, too, and is taken off twice: nobody has less than nothing.
    return Seen(
        others=max(0.0, float(others[-1] - others[0]) / seconds),
        burst=max(0.0, _steepest(moments, others)),
        stolen=leader.stolen[-1] / seconds / leader.cores,
        work=float(np.quantile(looks, AS_A_WHOLE if leader.pieces == 1 else AMONG_PIECES)),
        ranks=len(ranks),
    )


def _steepest(moments: NDArray[np.float64], total: NDArray[np.float64]) -> float:
    """The highest rate over a stretch of `BURST_SECONDS`."""
    ends = moments[moments >= moments[0] + BURST_SECONDS]
    grown = np.interp(ends, moments, total) - np.interp(ends - BURST_SECONDS, moments, total)
    return float(grown.max()) / BURST_SECONDS


@dataclass(frozen=True)
class Quietest:
    """By machine and by how many ranks it held, the least that was seen of everything in the runs of one sweep."""

    least: dict[tuple[str, int], Seen]

    @staticmethod
    def of(records: Iterable[Record]) -> Quietest:
        found: dict[tuple[str, int], list[Seen]] = defaultdict(list)
        for record in records:
            for machine, one in seen(record).items():
                found[machine, one.ranks].append(one)
        return Quietest(
            {
                (machine, ranks): Seen(
                    others=min(one.others for one in those),
                    burst=min(one.burst for one in those),
                    stolen=min(one.stolen for one in those),
                    work=min(one.work for one in those),
                    ranks=ranks,
                )
                for (machine, ranks), those in found.items()
            }
        )

    def disturbances(self, record: Record) -> tuple[str, ...]:
        """What disturbed a run, in words; empty where nothing did, or nobody knows."""
        return tuple(
            dict.fromkeys(
                text
                for machine, one in seen(record).items()
                if (machine, one.ranks) in self.least
                for text in _told(one, self.least[machine, one.ranks])
            )
        )


def _told(one: Seen, quiet: Seen) -> Iterable[str]:
    if one.others - quiet.others > OTHERS:
        yield f"other processes took {one.others - quiet.others:.2f} of a core"
    elif one.burst - quiet.burst > BURST:
        yield f"other processes took {one.burst - quiet.burst:.2f} of a core for {BURST_SECONDS:g} s or more"
    if one.stolen - quiet.stolen > STOLEN:
        yield f"{one.stolen:.0%} of the cores' time was stolen by the machine below"
    if one.work > SLOWER * quiet.work:
        yield f"the cores were slower: the same piece of work took {one.work / quiet.work:.2f} x as long"


def disturbed(records: Iterable[Record]) -> dict[int, tuple[str, ...]]:
    """Places of the runs that were disturbed, each beside the quietest of its own sweep, and by what."""
    listed = list(records)
    sweeps: dict[str, list[Record]] = defaultdict(list)
    for record in listed:
        sweeps[record.sweep.identifier].append(record)
    quietest = {sweep: Quietest.of(those) for sweep, those in sweeps.items()}
    told = {place: quietest[one.sweep.identifier].disturbances(one) for place, one in enumerate(listed)}
    return {place: texts for place, texts in told.items() if texts}
