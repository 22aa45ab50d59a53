"""What the layers of a traced TensorFlow function did when, from TensorFlow's own profiler: a graph has no hooks.

The profiler writes one event per operation, named "scope/of/the/layer/operation:Type". Gradients stand in the scope
"gradient_tape", an update in that of its variable, and what Keras does for all of them in one named for the optimizer; a
round is a call into Python. An exchange goes on beside the operation that begins it, so there the profiler writes two
events: one when it begins, and one when Horovod says that it has landed.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from algorithms.tensorflow.names import exchanged, updated
from suite.rank.layer_spans import LayerSpans, Span

# One name on one thread, no further apart, is one span: a layer is several operations.
APART_SECONDS = 100e-6
_TAPE = "gradient_tape"
_BEGUN, _LANDED = "ExecutorState::ProcessAsync::Start", "ExecutorState::ProcessAsync::Done"
_COUNTED = re.compile(r"_\d+$")  # what TensorFlow appends to a name that it has used before


class GraphProfile:
    """`begin` and `end` around training; spans of all steps in between."""

    def __init__(self, spans: LayerSpans, names: Names) -> None:
        self._spans = spans
        self._folder = tempfile.TemporaryDirectory(prefix="farandole-profile-")
        self._names = names

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
            for span in (*read(space, self._names), *exchanges(space, self._names)):
                self._spans.add_at(span)
        self._folder.cleanup()


class Names:
    """`titles`: of the trainable variables."""

    def __init__(self, model: str, optimizer: str, rounds: bool, titles: Sequence[str]) -> None:
        # Keras counts optimizers, too: "sgd_1" is the second of a process.
        self._model, self._optimizer = (_COUNTED.sub("", name) for name in (model, optimizer))
        self._rounds, self._titles = rounds, titles

    def of_exchange(self, operation: str) -> str | None:
        """`exchange conv1.weight`; None for what a step does not exchange."""
        variable = exchanged(operation)
        return None if variable is None else f"exchange {self._titles[variable]}"

    def of(self, event: str) -> str | None:
        """`forward conv1` for "lenet/conv1/convolution:Conv2D"; None for what belongs to no layer."""
        path, _, kind = event.rpartition(":")
        if not path or not kind.isidentifier():
            return None
        scopes = [_COUNTED.sub("", scope) for scope in path.split("/")]
        variable = updated(path)
        if variable is not None:
            return f"update {self._titles[variable].rpartition('.')[0]}"
        if scopes[0] == self._optimizer:
            return "update all"
        backward = scopes[0] == _TAPE
        scopes = scopes[1:] if backward else scopes
        if len(scopes) < 3 or scopes[0] != self._model:
            return "round" if self._rounds and kind == "PyFunc" else None
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


def exchanges(space: Any, names: Names) -> list[Span]:
    """From one event to the other, in the order in which they begin."""
    zero = _profile_start(space)
    at: dict[str, dict[tuple[str, int], float]] = {_BEGUN: {}, _LANDED: {}}  # operation and run of the function: when
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                seen = at.get(plane.event_metadata[event.metadata_id].name)
                if seen is not None:
                    told = {plane.stat_metadata[stat.metadata_id].name: stat for stat in event.stats}
                    operation, run = _text(plane, told["name"]), told["step_id"].int64_value
                    seen[operation, run] = zero + line.timestamp_ns / 1e9 + event.offset_ps / 1e12
    both = sorted((began, at[_LANDED][key], key[0]) for key, began in at[_BEGUN].items() if key in at[_LANDED])
    named = ((names.of_exchange(operation), began, landed) for began, landed, operation in both)
    return [Span(name, began, landed - began) for name, began, landed in named if name is not None]


def _text(plane: Any, stat: Any) -> str:
    """Texts that come again are kept once, with the names."""
    return str(stat.str_value or plane.stat_metadata[stat.ref_value].name)


def _profile_start(space: Any) -> float:
    for plane in space.planes:
        for stat in plane.stats:
            if plane.stat_metadata[stat.metadata_id].name == "profile_start_time":
                return float(stat.uint64_value or stat.int64_value) / 1e9
    raise ValueError("TensorFlow's profile does not say when it began")
