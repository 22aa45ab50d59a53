"""The committed records and their committed report. `python -m tests.report.golden` makes both anew.

The records are fixtures: no process ever made them. They hold a little of everything that a report has to show: two kinds
of evidence, both frameworks, a failed and a diverged run, training towards accuracies, stragglers.
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from suite.experiment.plan import Planned
from suite.record.outcome import Diverged, Failed, Finished, Outcome, Reason
from suite.record.schema import Record
from suite.report import render
from tests.report import scripted

FOLDER = Path(__file__).with_name("golden")
RECORDS, REPORT, VERSIONS = FOLDER / "records", FOLDER / "report", FOLDER / "versions.txt"
# What draws and computes: with others, bytes may differ where nothing is wrong.
DECISIVE = ("matplotlib", "numpy", "scipy")


def records() -> tuple[Record, ...]:
    world = scripted.World(noise=0.03, outcome=_outcome)
    return (
        *scripted.records("quick", "model=AlexNet", world=world, repetitions=1),
        *scripted.records("delay", "algorithm=synchronous", "algorithm=delayed(steps=[12])", world=world),
        *scripted.records("floor-quorum", "framework=torch", world=world, repetitions=2),
    )


def versions() -> str:
    return "".join(f"{name} {version(name)}\n" for name in DECISIVE)


def make() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    scripted.write(RECORDS, records())
    print(render(RECORDS, REPORT).message)
    VERSIONS.write_text(versions())


def _outcome(planned: Planned) -> Outcome:
    specification = planned.specification
    if specification.algorithm.name == "layerwise" and specification.framework == "tensorflow":
        return Failed(reason=Reason.KILLED, message="rank 1 was ended by signal 9", rank=1, step=3, stderr_end="Killed")
    if (
        planned.labels.algorithm == "delayed(steps=2)"
        and planned.labels.learning_rate > 0.1
        and planned.labels.seed == 2
    ):
        return Diverged(step=4, message="loss is not finite")
    return Finished()


if __name__ == "__main__":
    sys.exit(make())
