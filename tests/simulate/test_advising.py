"""Advice: what is said first, who wins, and what would change it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import algorithms
from suite.cli.app import run
from suite.cli.known import sentences
from suite.simulate import Calibration, Machines, Workload
from suite.simulate.advice_page import NO_EVIDENCE, change_lines, code, ties
from suite.simulate.advising import EXACT, advise, chart, is_exact
from suite.simulate.calibration import Reach, Values
from tests.report import worlds
from tests.report.test_convergence import reaching
from tests.simulate.nets import ALEXNET, SMALL

NET = """
import torch
calls = []
def build():
    return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
def empty():
    return torch.nn.ReLU()
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "nets_of_a_user.py").write_text(NET)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "nets_of_a_user", raising=False)
    return "nets_of_a_user"


def test_ranked_by_speed_with_the_exact_ones_marked() -> None:
    found = advise(ALEXNET, Machines(workers=16, per_host=4, gbit=1, latency_us=50))
    rates = [one.rate for one in found.ranking]
    assert rates == sorted(rates, reverse=True)
    assert max(rates) <= float(found.ceiling.samples_per_second) * (1 + 1e-9)
    assert is_exact(found.best_exact.algorithm)
    assert not is_exact(algorithms.Delayed())
    assert code(found).startswith("DistributedOptimizer(optimizer, model, algorithms.")


def test_what_nobody_can_tell_apart_is_said() -> None:
    found = advise(SMALL, Machines(workers=2, gbit=100, latency_us=1))
    assert "not distinguishable" in ties(found)


def test_something_would_change_the_answer() -> None:
    found = advise(ALEXNET, Machines(workers=16, gbit=10, latency_us=30))
    assert change_lines(found)
    for line in change_lines(found):
        assert "would be" in line


def test_a_map_has_a_cell_for_every_place() -> None:
    found = chart(advise(SMALL, Machines(workers=4)), "rate", "workers", lambda workers: EXACT)
    assert {len(row) for row in found.cells} == {len(found.columns)}
    assert len(found.cells) == len(found.rows)
    assert all(0 < cell.of_ceiling <= 1 + 1e-9 for row in found.cells for cell in row)
    assert any(not cell.clear for row in found.cells for cell in row)


def test_evidence_comes_first_and_the_page_needs_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "advice.html"
    line = ["advise", "--model", "googlenet", "--compute", "0.3", "--workers", "4", "--network", "10GbE"]
    assert run([*line, "--records", str(tmp_path), "--html", str(page)]) in (0, 2)
    assert run([*line, "--records", str(tmp_path / "none"), "--html", str(page)]) == 0
    assert capsys.readouterr().out.startswith(NO_EVIDENCE)
    text = page.read_text()
    assert text.index("no evidence on convergence") < text.index("<h1>")
    assert "http" not in text
    assert "distin\u00adguishable" in text


def learned(delayed: list[int | None], **more: str) -> str:
    """What is known where synchronous training took 1000 samples at the better of two rates, and 9000 at the other."""
    needed = {("synchronous", 0.05): [1000] * 3, ("synchronous", 0.2): [9000] * 3, ("delayed", 0.05): delayed}
    records = [
        reaching(
            one, needed.get((one.specification.algorithm.name, one.labels.learning_rate), [None] * 3)[one.labels.seed]
        )
        for one in worlds.delay()
    ]
    records = [one.model_copy(update=more) for one in records]
    return "\n".join(sentences(records, records[0].specification.model.name))


def test_who_never_learned_is_counted_and_each_stands_at_its_best_rate() -> None:
    assert "1 step late 1.50" in learned([1500, 1500, 1500])
    assert "1 step late never in 1 of 3" in learned([1500, 1500, None])
    assert "(simulated, delay: " in learned([1500] * 3, kind="simulated")
    assert sentences([], "lenet") == []


def test_hops_of_a_calibration_are_not_paid_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = dict.fromkeys(Values.model_fields, 0.0) | {"rate_share": 1.0, "hop_us": 50.0}
    reach = Reach(workers=(2, 64), gbit=(1.0, 10.0), megabytes=(1.0, 100.0), framework=("torch",))
    here = tmp_path / "here.json"
    Calibration(commit=None, records=("network",), runs=(), reach=reach, values=Values(**values)).save(here)
    more = [
        "--model",
        "googlenet",
        "--compute",
        "0.3",
        "--batch-size",
        "32",
        "--workers",
        "16",
        "--calibration",
        str(here),
    ]
    assert run(["predict", *more, "--gbit", "10", "--algorithm", "stock_horovod", "--json"]) == 0
    rate = json.loads(capsys.readouterr().out)["samples_per_second"]
    assert run(["advise", *more, "--network", "10", "--records", str(tmp_path / "none")]) == 0
    out = capsys.readouterr().out
    assert "hops as calibrated" in out
    (row,) = [line for line in out.splitlines() if line.startswith("stock horovod ")]
    assert float(row.split()[2]) == pytest.approx(rate, rel=0.001)


def test_a_module_of_ones_own_is_timed_here(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["advise", "--model", f"{net}:build", "--input", "6", "--workers", "4", "--batch-size", "3"]) == 0
    out = capsys.readouterr().out
    assert "Sequential" in out
    assert "measured: PyTorch" in out


def test_measuring_leaves_a_module_as_it_was() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    found = Workload.measure(module, torch.zeros(5, 4))
    assert found.batch == 5
    assert [layer.elements for layer in found.layers] == [15, 8]
    assert found.step_seconds > 0
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not module[0]._forward_pre_hooks


@pytest.mark.parametrize(
    ("model", "more", "said"),
    [
        ("{net}:build", [], "--input is missing"),
        ("{net}:build", ["--input", "6xa"], "input shape '6xa'"),
        ("{net}:bild", ["--input", "6"], "did you mean 'build'?"),
        ("no_such_module_anywhere:build", ["--input", "6"], "importing no_such_module_anywhere failed"),
        ("{net}:empty", ["--input", "6"], "has no parameters"),
        ("{net}:calls", ["--input", "6"], "calls() failed"),
        ("googlenet", ["--network", "10GbB"], "did you mean '10GbE'?"),
        ("googlenet", ["--per-host", "9"], "per_host=9: must be at most workers=4"),
    ],
)
def test_bad_input_is_one_line(
    net: str, model: str, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["advise", "--model", model.format(net=net), "--workers", "4", *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
