"""The check with commands that only pretend: verdicts, limits, what is left when it is cut, and what results say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from suite.doctor import ranks
from suite.experiment import file as experiment
from suite.experiment.plan import expand
from suite.gpu import findings, sums
from suite.gpu.check import Check
from suite.gpu.device import Device
from suite.gpu.steps import STEPS, Command, NotAvailableError, Setting, Step
from suite.harness.executor import Ended, Job
from suite.record.schema import Record
from suite.record.specification import Algorithm
from suite.record.store import Store
from tests.record.examples import record, specification


class Scripted:
    """Ends every command as told, and moves the clock."""

    def __init__(self, *ends: Ended) -> None:
        self.ends = list(ends)
        self.jobs: list[Job] = []
        self.now = 0.0

    def __call__(self, job: Job, over: Callable[[], bool], tick: Callable[[float], None]) -> Ended:
        self.jobs.append(job)
        ended = self.ends.pop(0)
        self.now += ended.seconds
        return ended


def well(seconds: float = 1.0, output: str = "") -> Ended:
    return Ended("exited", 0, seconds, output)


def step(*commands: str, measured: Callable[[Path], Mapping[str, object]] = findings.lines) -> Step:
    return Step("a", "Is it?", 100.0, lambda setting: [Command([name]) for name in commands], measured)


def check(folder: Path, executor: Scripted, *, stand_in: bool = True) -> Check:
    device = Device(torch="2.11.0", cards=() if stand_in else ("H100",))
    return Check(folder, device, Setting(folder, stand_in), executor, clock=lambda: executor.now)


def test_a_result_says_what_it_ran_on_and_is_there_before_the_next_step(tmp_path: Path) -> None:
    here = check(tmp_path, Scripted(well(2.0, '{"sum": 3}')))
    result = here.one(step("x"))
    assert result["verdict"] == "passed"
    assert result["ran_on"] == "CPU stand-in, no GPU"
    assert result["measured"] == {"said": [{"sum": 3}]}
    assert json.loads((tmp_path / "a-cpu.json").read_text()) == result
    on_gpu = check(tmp_path, Scripted(well()), stand_in=False)
    assert on_gpu.one(step("x"))["ran_on"] == "H100"
    assert (tmp_path / "a.json").exists(), "a stand-in's result never stands for a GPU's"


def test_the_limit_is_for_all_commands_of_a_step_together(tmp_path: Path) -> None:
    run = Scripted(well(60.0), Ended("deadline", None, 40.0))
    result = check(tmp_path, run).one(step("x", "y", "z"))
    assert [job.deadline for job in run.jobs] == [100.0, 40.0]
    assert (result["verdict"], result["why"]) == ("out of time", "not done after 100 s")


def test_what_failed_shows_its_last_words(tmp_path: Path) -> None:
    ended = Ended("exited", 1, 1.0, "", "\n".join(f"line {number}" for number in range(40)))
    result = check(tmp_path, Scripted(ended)).one(step("x", "y"))
    assert result["verdict"] == "failed"
    assert result["why"].splitlines()[-1] == "line 39"
    assert len(result["commands"]) == 1


def test_what_this_farandole_cannot_yet_is_not_available(tmp_path: Path) -> None:
    ended = Ended("exited", 2, 1.0, "", "error: unknown option of train '--virtual'; known: --model")
    result = check(tmp_path, Scripted(ended)).one(step("x"))
    assert (result["verdict"], result["why"]) == ("not available", "unknown option of train '--virtual'")
    wrong = Ended("exited", 2, 1.0, "", "error: unknown data set 'x'")
    assert check(tmp_path, Scripted(wrong)).one(step("x"))["verdict"] == "failed"


def test_only_what_has_passed_is_done(tmp_path: Path) -> None:
    here = check(tmp_path, Scripted(Ended("exited", 1, 1.0), well()))
    here.one(step("x"))
    assert here.done(step("x")) is None
    here.one(step("x"))
    assert here.done(step("x")) is not None
    (tmp_path / "a-cpu.json").write_text('{"verdict": "pas')
    assert here.done(step("x")) is None


def test_without_nccl_the_step_says_how_to_have_it(tmp_path: Path) -> None:
    nccl = next(one for one in STEPS if one.name == "nccl")
    with pytest.raises(NotAvailableError, match="say --nccl"):
        nccl.commands(Setting(tmp_path))
    result = check(tmp_path, Scripted()).one(nccl)
    assert result["verdict"] == "not available"
    chosen = nccl.commands(Setting(tmp_path, nccl="/env/bin/python"))
    assert chosen[0].argv == ["/env/bin/python", "-m", "suite.gpu.sums", "1", "cuda", "nccl"]


def test_what_needs_two_ranks_says_why_there_cannot_be_two(tmp_path: Path) -> None:
    here = replace(check(tmp_path, Scripted()), setting=Setting(tmp_path, lonely="NCCL refuses"))
    verdicts = {one.name: here.one(one)["why"] for one in STEPS if one.name in ("sums", "overlap", "memory", "streams")}
    assert set(verdicts.values()) == {"NCCL refuses"}


@pytest.mark.parametrize(("nccl", "code"), [(True, 0), (False, 1)])
def test_sums_without_nccl_do_not_stand_for_those_over_it(
    nccl: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = ranks.Answer(({"sums": {"float32": True}, "built": {"nccl": nccl}},))
    monkeypatch.setattr(ranks, "ask", lambda *_, **__: answer)
    assert sums.main(["1", "cuda", "nccl"]) == code
    assert sums.main(["1", "cuda"]) == 0
    assert "allreduce on 1 rank is right: float32" in capsys.readouterr().out


@pytest.mark.parametrize("stand_in", [True, False])
@pytest.mark.parametrize("name", ["overlap", "memory"])
def test_the_experiments_are_ones_that_the_harness_takes(name: str, stand_in: bool, tmp_path: Path) -> None:
    first, command = next(one for one in STEPS if one.name == name).commands(Setting(tmp_path, stand_in))
    assert first.argv[-2:] == ["--only", "algorithm=no_communication"], "the others are held against it"
    plan = expand(experiment.load(str(command.argv[4])), repetitions=None, ask_hosts=False)
    assert len(plan.runs) >= 7
    assert {run.specification.device for run in plan.runs} == {"cpu" if stand_in else "gpu"}


def test_every_step_of_a_stand_in_stays_off_the_gpu(tmp_path: Path) -> None:
    for one in STEPS:
        commands = one.commands(Setting(tmp_path, True, nccl="/env/bin/python"))
        words = [word for command in commands for word in command.argv]
        assert "gpu" not in words
        assert "cuda" not in words


def test_pytests_last_line_is_the_finding(tmp_path: Path) -> None:
    (tmp_path / "stdout-00").write_text("....\n12 passed, 3 deselected in 4.05s\n")
    assert findings.tests(tmp_path) == {"tests": "12 passed, 3 deselected"}


def test_gradients_per_second_come_from_the_record_that_was_printed(tmp_path: Path) -> None:
    record = {"wall_seconds": 4.0, "specification": {"workers": 8, "steps": 10, "model": {"name": "alexnet"}}}
    (tmp_path / "stdout-00").write_text(json.dumps(record, indent=1))
    found: Any = findings.gradients(tmp_path)
    (run,) = found["runs"]
    assert (run["model"], run["gradients_per_second"]) == ("alexnet", 20.0)


def test_memory_is_told_in_bytes_until_there_is_something_to_hold_it_against(tmp_path: Path) -> None:
    def ran(algorithm: str, held: int) -> Record:
        found = record(specification(algorithm=Algorithm(name=algorithm), workers=1))
        ranks = tuple(
            one.model_copy(update={"memory_steady_bytes": held, "parameter_bytes": 10}) for one in found.ranks
        )
        return found.model_copy(update={"ranks": ranks})

    with Store(tmp_path / "records").writing() as writer:
        writer.add(ran("delayed", 125))
    assert findings.memory(tmp_path)["delayed"] == {"bytes": 125, "measured_copies": None, "declared_copies": None}
    with Store(tmp_path / "records").writing() as writer:
        writer.add(ran("no_communication", 100))
    assert findings.memory(tmp_path)["delayed"] == {"bytes": 125, "measured_copies": 2.5, "declared_copies": None}


def test_what_ranks_say_is_found_behind_their_number(tmp_path: Path) -> None:
    (tmp_path / "stdout-00").write_text('[0]<stdout>:{"algorithm": "layerwise"}\n[1]<stdout>:nothing\n')
    assert findings.lines(tmp_path) == {"said": [{"algorithm": "layerwise"}]}


def test_an_empty_folder_has_no_findings(tmp_path: Path) -> None:
    for one in STEPS:
        assert isinstance(one.measured(tmp_path), dict)


def test_a_setting_names_its_device_twice(tmp_path: Path) -> None:
    here = Setting(tmp_path)
    assert (here.device, here.torch_device) == ("gpu", "cuda")
    assert replace(here, stand_in=True).torch_device == "cpu"
