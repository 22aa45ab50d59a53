"""How many runs beside a neighbour are found, and how many quiet ones are not left alone.

    python -m tests.disturbance.figures [QUIET] [BESIDE]

Short runs of three algorithms over two emulated hosts, in random order. Beside some of them a process computes for five
seconds, from a random moment of their training on. All else must be quiet. 50 and 20 runs take about 20 minutes.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from suite.cluster.contract import Cluster
from suite.disturbance.judging import Quietest, seen
from suite.experiment.file import parse
from suite.experiment.plan import expand
from suite.harness import again, sweep
from suite.harness.launch import Launcher, Request
from suite.harness.outline import Options
from suite.harness.progress import Progress
from suite.record.schema import Record
from suite.record.store import Store

NEIGHBOUR_SECONDS = 5.0
COMPUTING = f"import time\nend = time.monotonic() + {NEIGHBOUR_SECONDS}\nwhile time.monotonic() < end: pass"
STEPS, STEP_SECONDS = 25, 0.4
EXPERIMENT = f"""
question = "Is a disturbed run found, and a quiet one left alone?"
[run]
batch_size = 8
warmup = 2
steps = {STEPS}
[axes]
framework = ["torch"]
model = [{{ name = "alexnet", replay = {{ profile = "alexnet-torch-cpu", size = 0.0625, forward = 0.1, backward = 0.2 }} }}]
algorithm = ["synchronous", "layerwise", {{ name = "delayed", steps = 1 }}]
workers = [2]
network = [{{ rate_mbit = 400 }}]
seed = [0]
"""


@dataclass
class Neighbourhood:
    """A launcher that sets a neighbour beside the runs at some places."""

    launcher: Launcher
    beside: frozenset[int]
    chance: random.Random
    launched: int = 0

    def launch(
        self, request: Request, cluster: Cluster, watch: Callable[[Progress, float], None], written: ExitStack
    ) -> Record:
        place, self.launched = self.launched, self.launched + 1
        begun = threading.Event()

        def look(progress: Progress, seconds: float) -> None:
            if place in self.beside and progress.steps and not begun.is_set():
                begun.set()
                later = self.chance.uniform(0, STEPS * STEP_SECONDS - NEIGHBOUR_SECONDS)
                threading.Timer(later, lambda: subprocess.Popen([sys.executable, "-c", COMPUTING])).start()
            watch(progress, seconds)

        return self.launcher.launch(request, cluster, look, written)

    def refused(self, request: Request, error: Exception) -> Record:
        raise error


def main(quiet: int, beside: int) -> None:
    chance = random.Random(0)
    total = quiet + beside
    again.CALMER = 0
    chosen = frozenset(chance.sample(range(total), beside))
    with tempfile.TemporaryDirectory() as folder:
        plan = expand(parse(EXPERIMENT, Path("disturbance.toml")), repetitions=-(-total // 3))
        store = Store(Path(folder) / "results")
        neighbours = Neighbourhood(Launcher(work=store.folder / ".work"), chosen, chance)
        own = sweep.Sweeper(store, Console(), launcher=neighbours)  # type: ignore[arg-type]
        done = own.run(plan, Options())
    quietest = Quietest.of(done.records)
    found = {place for place, record in enumerate(done.records) if quietest.disturbances(record)}
    for place, record in enumerate(done.records):
        for one in seen(record).values():
            beside_it = "beside" if place in chosen else "quiet"
            numbers = f"{one.others:.3f} {one.burst:.3f} {one.stolen:.4f} {one.work * 1e6:.0f}"
            print(f"{place} {record.labels.algorithm} {beside_it} {numbers} {'; '.join(quietest.disturbances(record))}")
    print(f"beside a neighbour: {len(found & chosen)} of {len(chosen)} found")
    print(f"quiet: {len(found - chosen)} of {len(done.records) - len(chosen)} marked")


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    main(*given) if given else main(50, 20)
