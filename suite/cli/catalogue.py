"""The tables of `farandole list`."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from rich.table import Table

import algorithms
from algorithms import wire
from suite import data, models


def algorithms_table() -> Table:
    table = _table("Algorithms", "name", "what it does", "options")
    for name, kind in algorithms.CATALOGUE.items():
        where = " [dim](virtual cluster only)[/]" if kind.virtual_only else ""
        table.add_row(name + where, summary(kind), options(kind))
    return table


def formats_table() -> Table:
    table = _table("Formats of the wire", "name", "what travels", "options")
    for name, kind in wire.FORMATS.items():
        table.add_row(name, summary(kind), options(kind))
    return table


def models_table() -> Table:
    table = _table("Models", "name", "input", "parameters", "GFLOP forward")
    for name in models.NAMES:
        net = models.describe(name)
        shape = " x ".join(map(str, net.input_shape))
        table.add_row(name, shape, f"{net.parameter_count:,}", f"{net.flops / 1e9:.2f}")
    return table


DATA = {
    "synthetic": "made up from a seed, learnable; any size",
    "tokens": "made-up sentences from a seed, learnable; for nets that read tokens",
    "digits": "1,797 real handwritten digits that ship with scikit-learn",
    "fashion-mnist": "70,000 grey pictures of clothes, 28x28, from Debian's package dataset-fashion-mnist or a folder",
    "cifar10": "60,000 images, from a folder of yours (--data-folder)",
    "imagenet": "class folders or the tar of ILSVRC 2012, from a folder of yours (--data-folder)",
}


def data_table() -> Table:
    table = _table("Data", "name", "what it is")
    for name in data.NAMES:
        table.add_row(name, DATA[name])
    return table


def experiments_table() -> Table:
    from suite.experiment import file as experiment
    from suite.experiment import plan

    table = _table("Experiments", "name", "question", "runs", "about")
    for path in sorted(experiment.SHIPPED.glob("*.toml")):
        loaded = experiment.load(path.stem)
        planned = plan.expand(loaded)
        minutes = f"{loaded.file.minutes:g} min" if loaded.file.minutes else ""
        table.add_row(path.stem, loaded.file.question, str(round(sum(map(planned.share, planned.runs)))), minutes)
    return table


def summary(kind: type[Any]) -> str:
    """The first sentence of a class's documentation."""
    return (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")


def options(kind: type[Any]) -> str:
    """The options of an algorithm with their defaults, as `--set` takes them."""
    return ", ".join(f"{field.name}={field.default!r}" for field in dataclasses.fields(kind) if field.init)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        number = column in ("parameters", "GFLOP forward", "runs")
        table.add_column(column, justify="right" if number else "left", no_wrap=column == "name")
    return table
