"""Spans of a trace: what a layer computed, what it was waited for, how it was updated, in which thread."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
import torch

from algorithms.mechanisms.telemetry import Telemetry
from suite.experiment import choices
from suite.experiment.live import Live
from suite.rank import torch_side
from suite.rank.layer_spans import LayerSpans
from suite.rank.samples import RankFile
from suite.rank.side import Built
from suite.rank.trace import LAYERS, merge
from suite.training.bare_torch import Bare


class Clock:
    now = 10.0

    def __call__(self) -> float:
        self.now += 0.25
        return self.now


def test_waiting_has_just_ended_and_other_threads_stand_apart(tmp_path):
    spans = LayerSpans(Clock())
    spans.begin("update a")
    thread = threading.Thread(target=lambda: (spans.begin("update a"), spans.end("update a")))
    thread.start()
    thread.join()
    spans.end("update a")
    spans.stood_still("wait b", 0.1)
    spans.stood_still("wait c", 0.1)  # nothing new
    spans.write(tmp_path / "spans-0.json")
    merge(tmp_path, [RankFile(0, host="here")], tmp_path / "trace.json")
    drawn = [one for one in json.loads((tmp_path / "trace.json").read_text())["traceEvents"] if one["ph"] == "X"]
    assert [(one["name"], one["tid"]) for one in drawn] == [
        ("update a", LAYERS + 1),
        ("update a", LAYERS),
        ("wait b", LAYERS),
    ]
    assert drawn[-1]["dur"] == pytest.approx(0.1e6)


def test_what_travels_at_once_stands_on_lines_of_its_own_and_what_is_not_told_is_said(tmp_path):
    for rank in (0, 1):
        spans = LayerSpans(Clock())
        spans.add("exchange a", 10.0, 3.0)
        spans.add("exchange b", 11.0, 1.0)
        spans.add("exchange c", 12.0, 1.0)
        spans.add("vote", 12.5, 1.0)
        spans.untold.append("updates: nobody looked")
        spans.write(tmp_path / f"spans-{rank}.json")
    merge(tmp_path, [RankFile(0, host="here"), RankFile(1, host="here")], tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert trace["otherData"] == {"untold": ["updates: nobody looked"]}
    for rank in (0, 1):
        mine = [one for one in trace["traceEvents"] if one["pid"] == rank]
        lines = {one["tid"]: one["args"]["name"] for one in mine if one["name"] == "thread_name"}
        assert [(one["name"], lines[one["tid"]]) for one in mine if one["ph"] == "X"] == [
            ("exchange a", "exchanges 1"),
            ("exchange b", "exchanges 2"),
            ("exchange c", "exchanges 2"),
            ("vote", "votes"),
        ]


def test_every_layer_of_a_torch_step_is_seen(tmp_path, monkeypatch):
    hooks = {}
    monkeypatch.setattr(torch_side, "register_optimizer_step_pre_hook", lambda hook: hooks.update(before=hook))
    monkeypatch.setattr(torch_side, "register_optimizer_step_post_hook", lambda hook: hooks.update(after=hook))
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    inner = torch.optim.SGD(model.parameters(), lr=0.1)
    told = Telemetry()
    built = Built(None, model, Bare(inner), lambda: told, 0)
    spans = LayerSpans()
    torch_side.watch_layers(built, spans)
    for name, hook in hooks.items():
        getattr(inner, f"register_step_{'pre' if name == 'before' else 'post'}_hook")(hook)
    model(torch.ones(1, 2)).sum().backward()
    told = replace(told, exposed_seconds=0.5)
    inner.step()
    one = torch.optim.SGD(model[2].parameters(), lr=0.1)
    hooks["before"](one)
    hooks["after"](one)
    spans.write(tmp_path / "spans")
    names = [name for name, *_ in json.loads((tmp_path / "spans").read_text())["spans"]]
    # The first layer's input needs no gradient, so torch may end its backward with the whole.
    assert sorted(names) == sorted(
        ["forward 0", "forward 2", "backward 2", "backward 0", "wait all", "update all", "update 2"]
    )


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("lenet_1/conv1_1/convolution:Conv2D", "forward conv1"),
        ("gradient_tape/lenet_1/conv1_1/BiasAdd/BiasAddGrad:BiasAddGrad", "backward conv1"),
        ("farandole/update.1/AssignSubVariableOp_3:AssignSubVariableOp", "update conv1"),
        ("cond/then/_12/cond/farandole/update.10/Mul:Mul", "update block.conv2"),
        ("sgd/AssignAddVariableOp:AssignAddVariableOp", "update all"),
        ("farandole/PyFunc_2:PyFunc", "round"),
        ("gradient_tape/lenet_1/conv1_1/PyFunc:PyFunc", "backward conv1"),  # of a replayed layer
        ("Mean:Mean", None),
        ("EagerLocalExecute: __inference__unrolled_460", None),
        ("ThreadpoolListener::Record", None),
    ],
)
def test_operations_are_named_for_their_layer(event, name):
    from suite.rank.tensorflow_spans import Names

    titles = ["conv1.weight", "conv1.bias", *["other.weight"] * 8, "block.conv2.weight"]
    assert Names("lenet", "sgd_4", rounds=True, titles=titles).of(event) == name


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("farandole/farandole.0.1.1", "exchange conv1.bias"),
        ("StatefulPartitionedCall/farandole_1/farandole.12.0.0.262144", "exchange conv1.weight"),
        ("farandole.0.plan.1", None),
        ("farandole/farandole.0.agreement", None),
        ("farandole.0.rounds.payload.1.0", None),
        ("farandole.0.rounds.vote.5", None),
    ],
)
def test_exchanges_are_named_for_what_they_carry(operation, name):
    from suite.rank.tensorflow_spans import Names

    assert Names("lenet", "sgd", rounds=False, titles=["conv1.weight", "conv1.bias"]).of_exchange(operation) == name


@pytest.mark.parametrize(("model", "replay"), [("tiny-cnn", None), ("googlenet", "googlenet-tensorflow-cpu")])
def test_the_layers_of_a_traced_function_are_seen(tmp_path, model, replay):
    """A real profile of one step."""
    from suite.cli.specify import Wanted, specification
    from suite.rank import tensorflow_side
    from suite.rank.side import Place
    from suite.rank.sources import open_source

    wanted = Wanted(framework="tensorflow", model=model, replay=replay, algorithm="bare", momentum=0.9)
    chosen = specification(wanted, 1)
    built = tensorflow_side.build(Live(chosen), Place(0, 1, 0, lambda mine: [mine]))
    batch = next(iter(open_source(chosen, "train", 0, 1).batches(0)))
    built.session.steps([batch])
    spans = LayerSpans()
    tensorflow_side.watch_layers(built, spans)
    spans.start()
    built.session.steps([batch])
    spans.write(tmp_path / "spans")
    found = json.loads((tmp_path / "spans").read_text())["spans"]
    names = {name for name, *_ in found}
    if replay is None:
        layers = {layer.path for layer in choices.net_of(chosen.model).layers if layer.layer.weights(layer.input)}
    else:
        layers = {layer.name for layer in choices.replayed_profile(chosen.model.replay).layers}
    assert {f"{way} {layer}" for way in ("forward", "backward", "update") for layer in layers} <= names
    assert all(0 <= start < 60 and 0 <= seconds < 60 for _, start, seconds, _ in found)
