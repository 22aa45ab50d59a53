"""A whole virtual training run: from a specification to the files of its ranks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from algorithms.virtual.gradients import Ended, NotFiniteError
from suite.cluster.local import usable_cores
from suite.experiment.live import Live
from suite.harness import expected
from suite.rank.job import RankJob
from suite.virtual.gradients_torch import InThisProcess
from suite.virtual.net_torch import FlatNet
from suite.virtual.prepared_torch import Prepared, prepare
from suite.virtual.processes_torch import InProcesses
from suite.virtual.watch_torch import Progress, Watch

__all__ = ["Prepared", "Progress", "prepare", "train"]

WORTH_SECONDS = 30.0  # of computing, for processes that take some seconds to start


def processes_for(live: Live, net: FlatNet) -> int:
    """All cores, where there is more to compute than processes take to start."""
    specification = live.specification
    if not net.joins or specification.device != "cpu":
        return 1  # statistics and the device are this process's
    worth = expected.compute_seconds(live) * (specification.warmup + specification.steps) > WORTH_SECONDS
    return max(1, min(usable_cores() // specification.threads, specification.workers)) if worth else 1


def train(
    prepared: Prepared,
    job: RankJob,
    shown: Callable[[Progress], None] = lambda progress: None,
    processes: int | None = None,
    checkpoint: Path | None = None,
) -> None:
    """Leaves a finished, or a diverged, run of every worker in the job's folder. Goes on from a `checkpoint`."""
    watch = Watch(prepared, Path(job.folder), shown, checkpoint)
    state = watch.resume()
    if state is None:
        watch.begin(job)
    specification = prepared.specification
    steps = specification.warmup + specification.steps
    net, batches = prepared.net, prepared.batches
    count = processes or processes_for(prepared.live, net)
    try:
        with (
            InProcesses(specification, count, net, batches, watch.lost)
            if count > 1
            else nullcontext(InThisProcess(net, batches, watch.lost))
        ) as source:
            cluster = prepared.cluster(source, watch.times)
            cluster.run(steps * specification.workers if prepared.free else steps, record=0, watch=watch, resume=state)
    except Ended:
        watch.diverged()
    except NotFiniteError as error:
        watch.diverged(str(error))
    else:
        watch.end()
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
