"""What stands for all ranks of a virtual run: `python -m suite.virtual.worker_torch JOB`, started by the harness."""

from __future__ import annotations

import faulthandler
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from suite.rank import job
from suite.rank.samples import RankWriter
from suite.rank.worker import FAILED, describe
from suite.virtual import code
from suite.virtual.training_torch import Prepared, Progress, prepare, train


def main(arguments: list[str]) -> int:
    given = job.read(Path(arguments[0]))
    left = given.left(time.time(), job.clock_of_this_machine())
    faulthandler.dump_traceback_later(max(1.0, left), exit=True)
    # Beside the job's own folder, which is gone when the run is: a sweep that is resumed goes on from there.
    return run(given, None, checkpoint=Path(given.folder).parent / code.checkpoint_name(given.specification.identity))


def run(
    given: job.RankJob,
    prepared: Prepared | None,
    shown: Callable[[Progress], None] = lambda _: None,
    processes: int | None = None,
    checkpoint: Path | None = None,
) -> int:
    """Whatever goes wrong is written down, as on a real rank."""
    try:
        train(prepared or prepare(given.specification), given, shown, processes, checkpoint)
    except Exception as error:
        writer = RankWriter(Path(given.folder), 0)
        writer.event("begin", host="", process=0, time=time.time())
        writer.failure(describe(error))
        writer.close()
        traceback.print_exc()
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
