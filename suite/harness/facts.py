"""What an algorithm declares of itself, as a record keeps it: reports know no algorithm by its name."""

from __future__ import annotations

import itertools

import algorithms
from algorithms.contract import Algorithm, Exchange, Finish, Moment, Rounds
from suite.experiment.controls import Control
from suite.record.schema import Facts

SETTLED = 1_000_000  # a step by which every schedule has come out of its warm-up


def facts_of(made: Algorithm | Control, workers: int) -> Facts:
    if not isinstance(made, Algorithm):
        waits_for = workers if not made.silent else 1
        return Facts(role=made.role, silent=made.silent, hides=made.hides, waits_for=waits_for, ahead=0, beside=0)
    names = list(algorithms.CATALOGUE)
    facts = Facts(
        role=made.role.value,
        place=names.index(made.name) if made.name in names else len(names),
        silent=made.silent,
        hides=made.hides or made.silent,
        waits_for=1 if made.silent else workers,
        ahead=max(made.delay, made.finish is Finish.NEXT_USE) if isinstance(made, Exchange) else 0,
        beside=0,
    )
    if not isinstance(made, Rounds):
        return facts
    first = next(step for step in itertools.count(SETTLED) if made.meets(step))
    second = next(step for step in itertools.count(first + 1) if made.meets(step))
    changes = {
        "waits_for": made.quorum(workers),
        "drops_late": made.tagged,
        "every": second - first,
        "beside": int(made.departs is Moment.STEP_BEGINS),
    }
    return facts.model_copy(update=changes)
