"""What every rank's trace shows of the inside of a traced step: whose update, and what travels from when to when."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import horovod.tensorflow as hvd
import pytest

from suite.cli.specify import Wanted, specification
from suite.experiment import choices
from suite.experiment.live import Live
from suite.rank import tensorflow_side
from suite.rank.layer_spans import LayerSpans
from suite.rank.side import Place
from suite.rank.sources import open_source

pytestmark = pytest.mark.ranks(2)

CALLS = 2


@pytest.mark.parametrize(
    ("algorithm", "steps"), [("layerwise", 1), ("layerwise", 3), ("delayed", 3), ("synchronous", 1), ("downpour", 1)]
)
def test_every_update_and_every_exchange_is_seen(
    tmp_path: Path, rank: int, ranks: int, algorithm: str, steps: int
) -> None:
    hvd.init()
    wanted = Wanted(
        framework="tensorflow", model="tiny-cnn", algorithm=algorithm, momentum=0.9, steps_per_execution=steps
    )
    chosen = specification(wanted, ranks)
    place = Place.of(hvd)
    built = tensorflow_side.build(Live(chosen), place)
    spans = LayerSpans()
    tensorflow_side.watch_layers(built, spans)
    batches = open_source(chosen, "train", rank, ranks).batches(0)
    held = [next(batches) for _ in range(steps)]
    for _ in range(2):  # the first call measures, the second traces what is planned from that
        built.session.steps(held)
    before = built.telemetry().rounds
    spans.start()
    for _ in range(CALLS):
        built.session.steps(held)
    built.optimizer.finish()  # what is delayed has one exchange more
    rounds = built.telemetry().rounds - before
    place.exchange("end")  # Horovod's thread is done with the landings before
    spans.write(tmp_path / "spans")

    told = json.loads((tmp_path / "spans").read_text())
    assert [what.partition(":")[0] for what in told["untold"]] == ["waiting per layer"]
    parameters = choices.net_of(chosen.model).initial(0)
    layers = {name.rpartition(".")[0] for name in parameters}
    times: dict[str, list[tuple[float, float]]] = {}
    for name, start, seconds, _ in told["spans"]:
        times.setdefault(name, []).append((start, start + seconds))
    assert {f"update {layer}" for layer in layers} <= set(times)
    if built.rounds:  # whose helper carries all at once, and says so itself
        assert {name for name in times if name.startswith("exchange")} == {"exchange all"}
        return
    travelled = Counter({name: len(found) for name, found in times.items() if name.startswith("exchange")})
    assert rounds >= CALLS * steps
    assert travelled == {f"exchange {parameter}": rounds for parameter in parameters}
    for parameter in parameters:
        mine = times[f"exchange {parameter}"]
        assert all(began < landed for began, landed in mine)
        updated = max(end for _, end in times[f"update {parameter.rpartition('.')[0]}"])
        assert updated > max(landed for _, landed in mine)
