"""MLflow's file store, a run for each record: `MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri FOLDER`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from suite.export.story import Story

METRICS, PARAMETERS = 1000, 100  # that MLflow takes in one call
LONGEST = 6000  # characters of a parameter, of which MLflow keeps no more


def write(stories: Iterable[Story], folder: Path) -> None:
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # the store gets no new features any more, and MLflow wants a word
    from mlflow.entities import Metric, Param, RunStatus, RunTag
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=folder.absolute().as_uri())
    for story in stories:
        experiment = client.get_experiment_by_name(story.experiment)
        number = experiment.experiment_id if experiment else client.create_experiment(story.experiment)
        run = client.create_run(number, start_time=_milliseconds(story.created), run_name=story.name).info.run_id
        tags = [RunTag(name, text[:LONGEST]) for name, text in {"identity": story.identity, **story.tags}.items()]
        parameters = [Param(name, str(setting)[:LONGEST]) for name, setting in story.settings.items()]
        metrics = [
            Metric(name, number, _milliseconds(story.created + point.seconds), point.step)
            for point in story.points
            for name, number in point.numbers.items()
        ]
        metrics += [Metric(name, number, _milliseconds(story.ended), 0) for name, number in story.summary.items()]
        client.log_batch(run, tags=tags)
        for first in range(0, len(parameters), PARAMETERS):
            client.log_batch(run, params=parameters[first : first + PARAMETERS])
        for first in range(0, len(metrics), METRICS):
            client.log_batch(run, metrics=metrics[first : first + METRICS])
        status = RunStatus.FINISHED if story.finished else RunStatus.FAILED
        client.set_terminated(run, RunStatus.to_string(status), _milliseconds(story.ended))


def _milliseconds(moment: float) -> int:
    return round(moment * 1000)
