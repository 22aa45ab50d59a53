"""Weights & Biases' offline folder, a run for each record: `wandb sync FOLDER/wandb/offline-run-*`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

from suite.export.story import Point, Story


def write(stories: Iterable[Story], folder: Path) -> None:
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    for story in stories:
        run = wandb.init(
            mode="offline",
            dir=str(folder),
            project=story.experiment,
            id=story.identity,
            name=story.name,
            config={**story.settings, **story.tags},
            settings=wandb.Settings(console="off", silent=True, x_disable_stats=True, x_disable_meta=True),
        )
        for step, points in itertools.groupby(sorted(story.points, key=_step), key=_step):  # steps may not go back
            run.log({name: number for point in points for name, number in point.numbers.items()}, step=step)
        run.summary.update(dict(story.summary))
        run.finish(exit_code=0 if story.finished else 1)


def _step(point: Point) -> int:
    return point.step
