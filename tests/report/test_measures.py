"""Speed-ups, efficiencies and floors against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from suite.report import floors
from suite.report.arms import Arm, Group
from suite.report.measures import Measures, compare, measures
from suite.report.study import Study
from suite.report.winners import choices_of, winner
from suite.statistics import Verdict
from tests.report import scripted, worlds


def arm(group: Group, name: str) -> Arm:
    return next(one for one in group.arms if one.name == name)


@pytest.fixture(scope="module")
def found() -> Study:
    world = scripted.at_speed(scripted.World(noise=0.02), no_communication=1.0, synchronous=2.0, layerwise=1.25)
    return worlds.studied(*worlds.quick(world=world))


def test_a_speed_up_is_the_ratio_of_times(found: Study) -> None:
    group = worlds.only_group(found)
    synchronous, layerwise = arm(group, "synchronous"), arm(group, "layerwise")
    step = {one.label: found.of(one).step for one in (synchronous, layerwise)}
    over = found.of(layerwise).over_reference
    first, second = step["synchronous"], step["layerwise"]
    assert over is not None and first is not None and second is not None
    assert over.ratio.value == pytest.approx(first.value / second.value, rel=0.02)
    assert over.verdict is Verdict.FASTER
    assert over.ratio.low > 1


def test_samples_per_second_follow_from_the_step(found: Study) -> None:
    one = arm(worlds.only_group(found), "synchronous")
    numbers = found.of(one)
    assert numbers.step is not None and numbers.samples_per_second is not None
    assert numbers.samples_per_second.value == pytest.approx(2 * 8 / numbers.step.value)
    assert numbers.samples_per_second.low <= numbers.samples_per_second.value <= numbers.samples_per_second.high


def test_nothing_is_compared_with_itself(found: Study) -> None:
    group = worlds.only_group(found)
    assert found.of(arm(group, "synchronous")).over_reference is None
    assert found.of(arm(group, "no_communication")).of_ceiling is None
    assert found.of(arm(group, "stock_horovod")).over_control is None


def test_only_interleaved_runs_are_pairs() -> None:
    """Runs of another sweep or another round met another machine, so to speak."""
    records = worlds.quick(repetitions=1)
    moved = tuple(
        record.model_copy(update={"sweep": record.sweep.model_copy(update={"round": 7})})
        if record.labels.algorithm == "synchronous"
        else record
        for record in records
    )
    group = worlds.only_group(worlds.studied(*moved))
    assert compare(arm(group, "layerwise"), arm(group, "synchronous")) is None
    group = worlds.only_group(worlds.studied(*records))
    assert compare(arm(group, "layerwise"), arm(group, "synchronous")) is not None


def test_what_was_tried_again_is_a_pair_with_what_else_was() -> None:
    """It ran when the sweep's rounds were over, half an hour after what it would be compared with."""

    def compared(again: tuple[str, ...], kind: str = "measured") -> bool:
        records = tuple(
            record.model_copy(update={"kind": kind, "attempt": int(record.labels.algorithm in again)})
            for record in worlds.quick(repetitions=1)
        )
        group = worlds.only_group(worlds.studied(*records))
        return compare(arm(group, "layerwise"), arm(group, "synchronous")) is not None

    assert compared(())
    assert not compared(("synchronous",))
    assert compared(("synchronous", "layerwise"))
    assert compared(("synchronous",), kind="simulated")  # whose times do not depend on when


def test_a_single_run_says_so(found: Study) -> None:
    group = worlds.only_group(worlds.studied(*worlds.quick(repetitions=1)))
    single = measures(arm(group, "layerwise"), group)
    assert single.step is not None and single.step.within_run
    assert single.over_reference is not None and single.over_reference.said == "unknown: one run"
    several = found.of(arm(worlds.only_group(found), "layerwise"))
    assert several.step is not None and not several.step.within_run


def test_no_winner_rests_on_one_run(found: Study) -> None:
    once = worlds.studied(*worlds.quick(repetitions=1))
    assert winner(worlds.only_group(once), once) is None
    won = winner(worlds.only_group(found), found)
    assert won is not None
    assert won.arm.name in {"layerwise", "stock_horovod", "delayed", "backup_workers", "elastic_averaging"}
    partly = [one for one in worlds.quick() if one.labels.algorithm != "layerwise" or one.repetition == 0]
    mixed = worlds.studied(*partly)
    assert winner(worlds.only_group(mixed), mixed) is None, "one of them ran once"


def test_runs_for_memory_have_no_speed() -> None:
    records = scripted.records("memory", "framework=torch", repetitions=2)
    study = worlds.studied(*records)
    for one in study.experiments[0].arms:
        assert study.of(one) == Measures()
    assert not any(choices_of(group) for group in study.experiments[0].groups)


def test_what_stands_above_its_ceiling_is_named() -> None:
    def warned(repetitions: int, **factors: float) -> list[str]:
        world = scripted.at_speed(scripted.World(noise=0.001), **factors)
        study = worlds.studied(*worlds.quick(world=world, repetitions=repetitions))
        said = study.of(arm(worlds.only_group(study), "layerwise")).warnings
        return [one for one in said if "ceiling" in one]

    for repetitions in (1, 2):
        assert not warned(repetitions)
        (said,) = warned(repetitions, no_communication=1.5)
        assert "layerwise is above its ceiling" in said
        run = arm(worlds.only_group(worlds.studied(*worlds.quick(repetitions=1))), "layerwise").runs[0]
        assert run.record.identity[:12] in said


def test_other_environments_are_other_settings() -> None:
    here = worlds.quick(repetitions=1)
    there = scripted.World(cpu="Another processor", sweep="other")
    records = (*here, *worlds.quick(world=there, repetitions=1)[:3])
    both = worlds.studied(*_distinct(records))
    (experiment,) = both.experiments
    assert {group.setting.environment for group in experiment.groups} == {"E1", "E2"}
    assert {len(one.runs) for one in experiment.arms} == {1}


def test_a_trace_is_no_other_environment() -> None:
    records = worlds.quick(repetitions=1)
    traced = []
    for number, record in enumerate(records):
        host = record.hosts[0]
        settings = host.horovod | {"HOROVOD_TIMELINE": f"/somewhere/{number}"}
        traced.append(record.model_copy(update={"hosts": (host.model_copy(update={"horovod": settings}),)}))
    assert len(worlds.studied(*traced).environments) == 1


def test_floors_by_hand() -> None:
    """Compute 0.6 s; 30.5 MB over 400 Mbit/s on two workers are 0.61 s."""
    records = scripted.records("floor", "workers=2", repetitions=2)
    group = worlds.only_group(worlds.studied(*records))
    size = 244e6 * 0.125
    wire = size * 8 / 400e6
    blocking = floors.floor(arm(group, "synchronous"), group)
    hiding = floors.floor(arm(group, "delayed"), group)
    assert blocking is not None and hiding is not None
    assert blocking.compute == pytest.approx(0.6)
    assert blocking.wire == pytest.approx(wire, rel=1e-3)
    assert blocking.seconds == pytest.approx(0.6 + wire, rel=1e-3)
    assert hiding.seconds == pytest.approx(max(0.6, wire), rel=1e-3)
    assert blocking.ceiling == pytest.approx((0.6 + wire) / max(0.6, wire), rel=1e-3)


def test_the_floor_of_an_exchange_that_travels_beside_one_step_of_its_period() -> None:
    """The copies of EASGD leave at the beginning of a step and are back at its end: that step computes meanwhile."""
    records = scripted.records("floor-period", "workers=2", repetitions=1)
    group = worlds.only_group(worlds.studied(*records))
    found = floors.floor(arm(group, "elastic_averaging"), group)
    assert found is not None
    assert found.wire is not None
    meeting = max(found.compute, 10 * found.wire)
    assert found.seconds == pytest.approx((9 * found.compute + meeting) / 10)
    assert found.seconds < found.compute + found.wire


def slowed(name: str, straggler: str = "constant*") -> float:
    records = [
        one.model_copy(
            update={
                "ranks": tuple(
                    rank.model_copy(update={"injected_asked": scripted.asked(one, rank.rank)}) for rank in one.ranks
                )
            }
        )
        for one in scripted.records("stragglers", f"straggler={straggler}", repetitions=1)
    ]
    group = worlds.only_group(worlds.studied(*records))
    seconds = floors.computing(arm(group, name), group)
    assert seconds is not None
    return seconds


def test_floors_under_a_straggler_are_what_the_algorithm_has_to_wait_for() -> None:
    """0.1 s of computing; one of four ranks takes 0.4 s. (1 / mean speed, of whoever has to be waited for.)"""
    assert slowed("synchronous") == pytest.approx(0.4)
    assert slowed("asynchronous") == slowed("no_communication") == pytest.approx(4 / 32.5)
    assert slowed("elastic_averaging") == pytest.approx(4 / 32.5)
    assert slowed("synchronous", "pause*") == pytest.approx(0.1 + 0.5 / 8), "averaged over the pause's rhythm"
    assert slowed("synchronous", "bimodal*") > 0.1 + 0.4 * 0.1, "some rank is slow more often than one is"


def test_a_straggler_that_nobody_asked_to_sleep_has_no_floor() -> None:
    records = scripted.records("stragglers", "straggler=constant*", repetitions=1)
    group = worlds.only_group(worlds.studied(*records))
    assert floors.computing(arm(group, "synchronous"), group) is None


def test_a_period_sends_a_share_of_the_bytes() -> None:
    records = scripted.records("floor-period", "workers=2", repetitions=1)
    group = worlds.only_group(worlds.studied(*records))
    every = floors.wire(arm(group, "synchronous"))
    seldom = floors.wire(arm(group, "local_sgd"))
    assert every is not None and seldom is not None
    assert seldom == pytest.approx(every / 10, rel=0.05)


def test_nobody_knows_the_rate_of_a_local_network(found: Study) -> None:
    group = worlds.only_group(found)
    local = found.of(arm(group, "synchronous")).floor
    silent = found.of(arm(group, "no_communication")).floor
    assert local is not None and local.seconds is None
    assert silent is not None and silent.seconds == pytest.approx(0.09)


def test_dropped_work_does_not_count_as_speed() -> None:
    records = scripted.records("floor-quorum", "framework=torch", "straggler=constant*", repetitions=2)
    found = worlds.studied(*records)
    group = worlds.only_group(found)
    backups = arm(group, "backup_workers")
    numbers = found.of(backups)
    assert numbers.useful == pytest.approx(0.75)
    assert numbers.step is not None and numbers.samples_per_second is not None
    assert numbers.samples_per_second.value == pytest.approx(0.75 * 32 / numbers.step.value)


def test_failed_arms_have_no_numbers() -> None:
    from suite.record.outcome import Reason

    world = scripted.failing(Reason.HUNG, "layerwise")
    found = worlds.studied(*worlds.quick(world=world))
    numbers = found.of(arm(worlds.only_group(found), "layerwise"))
    assert numbers.step is None and numbers.over_reference is None
    assert not math.isnan(numbers.useful)


def _distinct(records: tuple[object, ...]) -> tuple[object, ...]:
    """Repetitions of their own, as a second sweep would have given them."""
    return tuple(
        record.model_copy(update={"repetition": place})  # type: ignore[attr-defined]
        for place, record in enumerate(records)
    )
