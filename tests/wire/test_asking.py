"""Asking for a format: by name or with options, refused with the nearest name, and with the reason where it cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import algorithms
from algorithms import wire
from algorithms.contract import Algorithm, Rounds, Situation
from algorithms.virtual import SGD, Cluster
from algorithms.wire import FORMATS, FP16, Int16, PowerSGD, fitting, named

ALGORITHMS = {name: kind() for name, kind in algorithms.CATALOGUE.items()}


def test_a_format_is_a_file_and_a_name_in_one_table() -> None:
    assert all(name == kind.name for name, kind in FORMATS.items())
    beside = {"__init__", "format", "arrays"}
    assert {path.stem for path in Path(wire.__file__).parent.glob("*.py")} - beside == set(FORMATS)


def test_the_readme_shows_every_format() -> None:
    readme = (Path(wire.__file__).parents[2] / "README.md").read_text()
    table = readme.split("| format | what travels |")[1].split("\n\n")[0]
    assert [row.split("`")[1].split(":")[0] for row in table.splitlines()[2:]] == list(FORMATS)


@pytest.mark.parametrize(
    ("asked", "form"),
    [
        ("fp16", FP16()),
        ("powersgd", PowerSGD(rank=4)),
        ("powersgd:rank=2", PowerSGD(rank=2)),
        ({"name": "powersgd", "rank": 2}, PowerSGD(rank=2)),
        ({"name": "int16"}, Int16()),
        (PowerSGD(rank=7), PowerSGD(rank=7)),
    ],
)
def test_a_format_has_a_name_and_options(asked: wire.Asked, form: wire.Format) -> None:
    assert named(asked) == form
    assert named(str(form)) == form


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("fp61", "did you mean 'fp16'?"),
        ("float16", "one of 'none', 'fp16', 'int16', 'powersgd'"),
        ({"name": "powersdg"}, "did you mean 'powersgd'?"),
        ({"rank": 2}, "wire=None: must be one of"),
        ("powersgd:rnk=2", "did you mean 'rank'?"),
        ("powersgd:rank", "'rank' must be an option and a whole number"),
        ("powersgd:rank=0", "rank=0: must be a whole number >= 1"),
        ("fp16:rank=2", "fp16 has no options"),
        (16, "wire=16: must be one of"),
    ],
)
def test_what_is_no_format_is_refused_with_the_nearest(asked: wire.Asked, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        named(asked)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_carries_every_format_or_says_why_not(name: str, form: str) -> None:
    def gradient(worker: int, step: int, x: np.ndarray) -> np.ndarray:
        return x - worker / 4

    def distance(form: str = form) -> float:
        cluster = Cluster(
            workers=4,
            algorithm=ALGORITHMS[name],
            optimizer=SGD(learning_rate=0.05),
            parameters=np.linspace(-1, 2, 130),
            gradient=gradient,
            layers=[(10, 12), 10],
            wire=form,
        )
        return float(np.abs(cluster.run(steps=300).parameters[-1] - 0.375).max())

    if form != "none" and name in ("adasum", "stock_horovod"):
        with pytest.raises(ValueError, match=f"must be 'none' with {name}, "):
            distance()
    elif form == "powersgd" and name in ("local_sgd", "slowmo", "diloco"):
        with pytest.raises(ValueError, match=f"{name} sends parameters, .*: use 'fp16' or 'int16'"):
            distance()
    elif name == "no_communication":
        assert distance() == pytest.approx(0.375, abs=1e-4)  # each worker is alone, in any format
    else:
        assert distance() < distance("none") + 0.05


def test_a_worker_alone_sends_nothing() -> None:
    assert fitting("fp16", algorithms.Synchronous(), 1) == wire.NONE


@pytest.mark.parametrize("name", [name for name, one in ALGORITHMS.items() if isinstance(one, Rounds)])
def test_an_algorithm_says_truly_whether_it_sends_parameters(name: str) -> None:
    """A worker that stands where the centre stands has no change to send."""
    algorithm: Algorithm = ALGORITHMS[name]
    assert isinstance(algorithm, Rounds)
    x = np.array([3.0, -2.0])
    own = algorithm.own(x)
    offered = algorithm.offer(own, algorithm.centre(x), Situation(workers=2, round=0))
    assert algorithm.offers_parameters == (offered is not None and bool(np.any(offered)))
