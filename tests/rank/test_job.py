"""What a rank is handed: how long it has, by whose clock, and what its gradients count for."""

from __future__ import annotations

import math

import pytest

from suite.experiment import choices
from suite.rank.job import RankJob, clock_of_this_machine
from suite.rank.worker import averages_gradients
from tests.harness.scripted import plan

DAY = 86_400.0


def job(launched_at: float = 1000.0, clock: str = "this one") -> RankJob:
    specification = plan(seeds=1).runs[0].specification
    return RankJob(specification=specification, folder="", launched_at=launched_at, clock=clock, deadline=120.0)


def test_the_deadline_counts_from_the_launch_on_one_machine() -> None:
    assert job().left(1030.0, "this one") == 90.0
    assert job().since_launch(1030.0, "this one") == 30.0


@pytest.mark.parametrize("skew", [-DAY, -300.0, 300.0, DAY])
def test_a_clock_of_another_machine_kills_nobody(skew: float) -> None:
    """A skew beyond the deadline ended healthy ranks at once, or let hung ones live."""
    assert job().left(1030.0 + skew, "that one") == 120.0
    assert math.isnan(job().since_launch(1030.0 + skew, "that one"))
    assert job(clock="").left(1030.0 + skew, "") == 120.0, "a machine that cannot say whose its clock is"


def test_processes_of_one_machine_share_its_clock() -> None:
    assert clock_of_this_machine() == clock_of_this_machine() != ""


@pytest.mark.parametrize(
    ("name", "options", "averaged"),
    [
        ("synchronous", {}, True),
        ("delayed", {"steps": 2}, True),
        ("backup_workers", {"spares": 0}, True),
        ("softsync", {}, True),
        ("torch_ddp", {}, True),
        ("no_communication", {}, False),
        ("local_sgd", {"period": 4}, False),
        ("elastic_averaging", {}, False),
        ("downpour", {}, False),
        ("diloco", {}, False),
    ],
)
def test_only_gradients_that_are_averaged_are_weighed(name: str, options: dict[str, object], averaged: bool) -> None:
    """Where a worker moves a copy of its own, a short batch's gradient is a gradient like any other."""
    assert averages_gradients(choices.make_algorithm(name, options)) is averaged
