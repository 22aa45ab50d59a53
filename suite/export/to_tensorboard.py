"""TensorBoard's event files, a folder for each run: `tensorboard --logdir FOLDER`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from suite.export.story import Story


def write(stories: Iterable[Story], folder: Path) -> None:
    """By the library's own writer of events, which needs neither PyTorch nor TensorFlow."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    def summary(numbers: Iterable[tuple[str, float]]) -> Summary:
        return Summary(value=[Summary.Value(tag=name, simple_value=number) for name, number in numbers])

    for story in stories:
        writer = EventFileWriter(str(folder / story.experiment / story.identity))
        settings = hparams_pb({"run": story.name, **story.tags, **story.settings}, start_time_secs=story.created)
        writer.add_event(Event(wall_time=story.created, step=0, summary=settings))
        for point in story.points:
            moment = story.created + point.seconds
            writer.add_event(Event(wall_time=moment, step=point.step, summary=summary(point.numbers.items())))
        last = max((point.step for point in story.points), default=0)
        writer.add_event(Event(wall_time=story.ended, step=last, summary=summary(story.summary.items())))
        writer.close()
