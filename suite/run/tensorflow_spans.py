"""What the layers of a traced TensorFlow function did when, from TensorFlow's own profiler: a graph has no hooks.

The profiler writes one event per operation, named "scope/of/the/layer/operation:Type". Gradients stand in the scope
"gradient_tape", updates in one named for the optimizer; a round is a call into Python. What Horovod exchanges goes on
beside the operation that begins it: Horovod's timeline tells when.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from suite.run.layer_spans import LayerSpans, Span

# One name on one thread, no further apart, is one span: a layer is several operations.
APART_SECONDS = 100e-6
_TAPE = "gradient_tape"
_COUNTED = re.compile(r"_\d+$")  # what TensorFlow appends to a name that it has used before


class GraphProfile:
    """`begin` and `end` around training; spans of all steps in between."""

    def __init__(self, spans: LayerSpans, model: str, optimizer: str, rounds: bool) -> None:
        self._spans = spans
        self._folder = tempfile.TemporaryDirectory(prefix="farandole-profile-")
        self._names = Names(model, optimizer, rounds)

    def begin(self) -> None:
        options = tf.profiler.experimental.ProfilerOptions(
            host_tracer_level=2, python_tracer_level=0, device_tracer_level=0
        )
        tf.profiler.experimental.start(self._folder.name, options)

    def end(self) -> None:
        from tensorflow.tsl.profiler.protobuf import xplane_pb2  # only installed with TensorFlow, and slow to import

        tf.profiler.experimental.stop()
        for path in Path(self._folder.name).rglob("*.xplane.pb"):
            space = xplane_pb2.XSpace()
            space.ParseFromString(path.read_bytes())
            for span in read(space, self._names):
                self._spans.add_at(span)
        self._folder.cleanup()


class Names:
    def __init__(self, model: str, optimizer: str, rounds: bool) -> None:
        # Keras counts optimizers, too: "sgd_1" is the second of a process.
        self._model, self._optimizer = (_COUNTED.sub("", name) for name in (model, optimizer))
        self._rounds = rounds

    def of(self, event: str) -> str | None:
        """`forward conv1` for "lenet/conv1/convolution:Conv2D"; None for what belongs to no layer."""
        path, _, kind = event.rpartition(":")
        if not path or not kind.isidentifier():
            return None
        scopes = [_COUNTED.sub("", scope) for scope in path.split("/")]
        if self._rounds and kind == "PyFunc":
            return "round"
        if scopes[0] == self._optimizer:
            return "update"
        backward = scopes[0] == _TAPE
        scopes = scopes[1:] if backward else scopes
        if len(scopes) < 3 or scopes[0] != self._model:
            return None
        return f"{'backward' if backward else 'forward'} {scopes[1]}"


def read(space: Any, names: Names) -> Iterator[Span]:
    """Spans with the system's time as their start. Times within are counted from the beginning of the profile."""
    begun = _profile_start(space)
    for plane in space.planes:
        threads = 0
        for line in plane.lines:
            held: Span | None = None
            threads += 1
            for event in sorted(line.events, key=lambda one: one.offset_ps):
                name = names.of(plane.event_metadata[event.metadata_id].name)
                if name is None:
                    continue
                start = begun + line.timestamp_ns / 1e9 + event.offset_ps / 1e12
                span = Span(name, start, event.duration_ps / 1e12, f"TensorFlow's thread {threads}")
                if held is not None and held.name == name and start - held.start - held.seconds < APART_SECONDS:
                    held = held._replace(seconds=max(held.seconds, start + span.seconds - held.start))
                    continue
                if held is not None:
                    yield held
                held = span
            if held is not None:
                yield held


def _profile_start(space: Any) -> float:
    for plane in space.planes:
        for stat in plane.stats:
            if plane.stat_metadata[stat.metadata_id].name == "profile_start_time":
                return float(stat.uint64_value or stat.int64_value) / 1e9
    raise ValueError("TensorFlow's profile does not say when it began")
