"""Print the table of user's loops: `horovodrun -np 2 python -m tests.parallel.torch_user_table [REPETITIONS] [WORD]`."""

from __future__ import annotations

import faulthandler
import sys
import time

import horovod.torch as hvd
import pytest

from tests.parallel.torch_delays import Delays
from tests.parallel.torch_user_cells import Outcome, few_cores, run
from tests.parallel.torch_user_loops import CELLS, LOOPS, refusal

HANGS = 60.0  # seconds after which a cell will not end any more
EXACT = 1e-9


def said(outcomes: list[Outcome], expected: str | None) -> str:
    """A cell in one word."""
    errors = [outcome.error for outcome in outcomes]
    if all(error is not None for error in errors):
        right = expected is not None and all(expected in str(error) for error in errors)
        return "refused" if right else f"ERROR {errors[0]}"
    if any(error is not None for error in errors):
        return f"ERROR ON SOME {errors}"
    far, scale = max(outcome.far for outcome in outcomes), [outcome.scale for outcome in outcomes]
    if far < EXACT and scale == [1.0] * len(scale):
        return "equal" if expected is None else "equal, NOT REFUSED"
    return f"WRONG by {far:.1e}, scale x {scale}"


def main(repetitions: int, word: str) -> None:
    hvd.init()
    few_cores()
    begun = time.monotonic()
    for name, algorithm in CELLS:
        if word not in f"{name} {algorithm}":
            continue
        seen: dict[str, int] = {}
        for repetition in range(repetitions):
            faulthandler.dump_traceback_later(HANGS, exit=True)
            with pytest.MonkeyPatch.context() as patch:
                delays = Delays(0.003, repetition, hvd.rank())
                delays.on_the_wire(patch)
                mine = run(LOOPS[name], algorithm, hvd.rank(), delays)
            outcomes = hvd.allgather_object(mine, name="table")
            ended = said(outcomes, refusal(LOOPS[name], algorithm))
            seen[ended] = seen.get(ended, 0) + 1
            faulthandler.cancel_dump_traceback_later()
        if hvd.rank() == 0:
            how = ", ".join(f"{how} x {n}" for how, n in seen.items())
            print(f"| {name} | {algorithm} | {how} | {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1, sys.argv[2] if len(sys.argv) > 2 else "")
