"""Verdicts on claims are computed. Every rule is shown a world in which it confirms, one in which it refutes, and none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from suite.experiment import file as experiments
from suite.experiment.plan import Planned
from suite.record.schema import Evaluation, Record
from suite.record.specification import Algorithm
from suite.report.claims.claim import FILE, PROVENANCE, Claim, Finding, Judgement, load
from suite.report.claims.judging import RULES, judge
from suite.report.study import Study
from tests.report import scripted, worlds

CLAIMS = {claim.name: claim for claim in load().claim}


def found(name: str, study: Study, kind: str) -> Finding:
    (judged,) = judge(study, (CLAIMS[name],))
    return dict(judged.findings)[kind]


def judgement(name: str, *records: Record, kind: str = "emulated") -> Judgement:
    return found(name, worlds.studied(*records), kind).judgement


# The file


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS.keys())
def test_a_claim_is_tested_by_experiments_that_exist(claim: Claim) -> None:
    for name in claim.tested_by:
        assert experiments.load(name).name == name


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS.keys())
def test_nothing_is_quoted_from_memory(claim: Claim) -> None:
    assert claim.provenance in PROVENANCE
    assert not re.search(r"\bMEM\b|memory", claim.figure)


def test_a_claim_of_an_unknown_paper_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "claims.toml"
    file.write_text(FILE.read_text().replace('paper = "elastic"', 'paper = "plastic"', 1))
    with pytest.raises(ValueError, match="plastic"):
        load(file)


def test_every_rule_is_there_and_used() -> None:
    assert {claim.rule for claim in CLAIMS.values()} == set(RULES)
    assert all(rule.__doc__ for rule in RULES.values())  # readers see it


def test_the_file_holds_no_verdict() -> None:
    text = FILE.read_text()
    assert not re.search(r"(?m)^\s*(verdict|judgement|result)\s*=", text)


@pytest.mark.parametrize("name", CLAIMS)
@pytest.mark.parametrize("kind", ["measured", "emulated"])
def test_without_records_nothing_is_testable(name: str, kind: str) -> None:
    finding = found(name, worlds.studied(), kind)
    assert finding.judgement is Judgement.NOT_TESTABLE
    assert finding.because


# The rules


def floor(**factors: float) -> tuple[Record, ...]:
    return scripted.records("floor", "workers=2", world=scripted.at_speed(scripted.World(noise=0.02), **factors))


def test_reaches() -> None:
    assert judgement("delay-speed", *floor()) is Judgement.CONFIRMED  # 1.98 in this world
    assert judgement("delay-speed", *floor(delayed=1.5)) is Judgement.REFUTED  # 1.3
    single = scripted.records("floor", "workers=2", repetitions=1)
    assert judgement("delay-speed", *single) is Judgement.NOT_TESTABLE
    assert judgement("delay-best", *single) is Judgement.NOT_TESTABLE
    slow_network = scripted.records("network", "workers=2", "model=AlexNet", "network=100*")
    finding = found("delay-speed", worlds.studied(*slow_network), "emulated")
    assert finding.judgement is Judgement.NOT_TESTABLE  # wire time rules: at most 1.25 to gain
    assert "leaves room" in finding.because


def test_faster() -> None:
    assert judgement("delay-best", *floor(delayed=0.9)) is Judgement.CONFIRMED
    assert judgement("delay-best", *floor(delayed=3.0)) is Judgement.REFUTED
    assert judgement("delay-best", *floor()) is Judgement.NOT_CONFIRMED  # equal to layer-wise in this world
    assert judgement("layerwise-behind-delay", *floor(delayed=0.9)) is Judgement.CONFIRMED


def test_exposed_share() -> None:
    records = scripted.records("floor-period", repetitions=2)
    finding = found("period-hides-communication", worlds.studied(*records), "emulated")
    assert finding.judgement is Judgement.REFUTED  # above a twentieth
    hidden = [one for one in records if "overlap" in one.labels.algorithm]
    assert judgement("period-hides-communication", *hidden) is Judgement.NOT_TESTABLE, "theirs hid nothing"
    once = [one for one in records if one.repetition == 0]
    assert judgement("period-hides-communication", *once) is Judgement.NOT_TESTABLE, "one run is no distribution"


def test_layer_bound() -> None:
    """0.2 s of forward and 0.61 s on the wire: 0.81 s at least."""
    assert judgement("layerwise-why", *floor(layerwise=1.4)) is Judgement.CONFIRMED
    assert judgement("layerwise-why", *floor()) is Judgement.REFUTED


def order_statistics(factor: float) -> list[Record]:
    """What was asked for is what the world's ranks waited for; backup workers are `factor` of the prediction off."""
    world = scripted.at_speed(scripted.World(), backup_workers=factor)
    records = scripted.records("order-statistics", world=world)
    return [
        record.model_copy(
            update={
                "ranks": tuple(
                    rank.model_copy(update={"injected_asked": scripted.asked(record, rank.rank)})
                    for rank in record.ranks
                )
            }
        )
        for record in records
    ]


def test_order_statistics() -> None:
    assert judgement("order-statistics", *order_statistics(1.0)) is Judgement.CONFIRMED
    assert judgement("order-statistics", *order_statistics(1.6)) is Judgement.REFUTED


def test_best_split_is_beyond_a_few_workers() -> None:
    finding = found("best-split", worlds.studied(*scripted.records("order-statistics")), "emulated")
    assert finding.judgement is Judgement.NOT_TESTABLE
    assert "100 workers" in finding.because and "8 at most" in finding.because


def split(best: int) -> tuple[Record, ...]:
    """100 workers in a world where each spare more or less than the best costs a tenth."""

    def speed(planned: Planned) -> float:
        spares = planned.specification.algorithm.options.get("spares")
        return 1 + 0.1 * abs(spares - best) if isinstance(spares, int) else 1.0

    arms = [f"algorithm=backup_workers(spares={spares})" for spares in (1, 4, 9)]
    return scripted.records("virtual-backup", "learning_rate=0.2", *arms, world=scripted.World(speed=speed))


def test_best_split_of_trained_runs() -> None:
    records = split(4)
    theirs = found("best-split", worlds.studied(*records), "simulated")
    assert theirs.judgement is Judgement.CONFIRMED
    assert "4 spares soonest" in theirs.figure
    one = [record for record in records if record.labels.seed == 0]
    assert "soonest" not in found("best-split", worlds.studied(*one), "simulated").figure, "one seed decides nothing"
    assert judgement("best-split", *split(9), kind="simulated") is Judgement.REFUTED


def trained(change: Callable[[Record], float], *records: Record) -> list[Record]:
    """Runs whose last accuracy is changed by so much."""
    made = []
    for record in records:
        last: Evaluation = record.evaluations[-1]
        final = last.model_copy(update={"top1": last.top1 + change(record)})
        made.append(record.model_copy(update={"evaluations": (*record.evaluations[:-1], final)}))
    return made


def test_final_accuracy() -> None:
    records = scripted.records("period", "algorithm=downpour*")
    name = "downpour-falls-apart"
    assert judgement(name, *records, kind="measured") is Judgement.CONFIRMED
    better = trained(lambda one: 0.7 if "16" in one.labels.algorithm or "64" in one.labels.algorithm else 0.0, *records)
    assert judgement(name, *better, kind="measured") is Judgement.REFUTED
    half = trained(lambda one: 0.7 if "16" in one.labels.algorithm else 0.0, *records)
    assert judgement(name, *half, kind="measured") is Judgement.NOT_CONFIRMED


def test_final_accuracy_that_is_to_be_the_same() -> None:
    records = scripted.records("period", "algorithm=elastic_averaging*")
    name = "easgd-at-any-period"
    assert judgement(name, *records, kind="measured") is Judgement.CONFIRMED
    worse = trained(lambda one: 0.0 if "period=1)" in one.labels.algorithm else -0.1, *records)
    assert judgement(name, *worse, kind="measured") is Judgement.REFUTED


def test_needs_samples() -> None:
    records = worlds.delay()
    assert judgement("slow-start-1", *records, kind="measured") is Judgement.CONFIRMED
    swapped = [_exchanged(record, records) for record in records]
    assert judgement("slow-start-1", *swapped, kind="measured") is Judgement.REFUTED
    assert judgement("slow-start-1", *worlds.delay(scripted.diverging("synchronous")), kind="measured") is (
        Judgement.NOT_TESTABLE
    )


def test_no_verdict_on_samples_rests_on_one_seed() -> None:
    """Not even where training never got there."""
    late = ["delayed" in one.labels.algorithm for one in worlds.delay()]
    records = [
        one.model_copy(update={"reached": ()}) if never else one
        for one, never in zip(worlds.delay(), late, strict=True)
    ]
    assert judgement("slow-start-1", *records, kind="measured") is Judgement.CONFIRMED
    one = [record for record in records if record.labels.seed == 0]
    assert judgement("slow-start-1", *one, kind="measured") is Judgement.NOT_CONFIRMED


def test_who_diverged_at_anothers_rate_does_not_need_more_samples() -> None:
    records = worlds.delay(scripted.diverging("delayed"))
    finding = found("slow-start-1", worlds.studied(*records), "measured")
    assert finding.judgement is Judgement.NOT_CONFIRMED
    assert finding.figure.startswith("diverged in")


def test_grows_with() -> None:
    records = scripted.records("delay")
    assert judgement("staleness-hurts", *records, kind="measured") is Judgement.CONFIRMED
    one = [record for record in records if record.labels.seed == 0]
    assert judgement("staleness-hurts", *one, kind="measured") is Judgement.NOT_TESTABLE
    few = [one for one in records if one.labels.algorithm in ("synchronous", "delayed(steps=1)")]
    assert judgement("staleness-hurts", *few, kind="measured") is Judgement.NOT_TESTABLE


def test_staleness() -> None:
    records = worlds.quick()
    assert judgement("delay-is-exact", *records) is Judgement.CONFIRMED
    assert judgement("backups-never-stale", *records) is Judgement.CONFIRMED
    stale = [_aged(record) for record in records]
    assert judgement("delay-is-exact", *stale) is Judgement.REFUTED
    assert judgement("backups-never-stale", *stale) is Judgement.REFUTED
    quorum = scripted.records("floor-quorum")
    assert judgement("asynchronous-staleness", *quorum) in (Judgement.CONFIRMED, Judgement.NOT_CONFIRMED)


def test_staleness_that_most_runs_confirm_is_not_refuted_by_some() -> None:
    exact = [one for one in scripted.records("floor-quorum") if one.labels.algorithm.startswith("asynchronous")]
    exact = [_all_aged(one, one.specification.workers - 1) for one in exact]
    assert judgement("asynchronous-staleness", *exact) is Judgement.CONFIRMED
    some = [_aged(one) if number % 3 == 0 else one for number, one in enumerate(exact)]
    assert judgement("asynchronous-staleness", *some) is Judgement.NOT_CONFIRMED
    assert judgement("asynchronous-staleness", *map(_aged, exact)) is Judgement.REFUTED


def test_no_verdict_on_staleness_rests_on_one_run() -> None:
    counting = [record for record in worlds.quick() if record.labels.algorithm.startswith("delayed")]
    assert judgement("delay-is-exact", *counting) is Judgement.CONFIRMED
    assert judgement("delay-is-exact", counting[0]) is Judgement.NOT_TESTABLE


@pytest.mark.parametrize(("seeds", "wanted"), [(1, Judgement.NOT_TESTABLE), (2, Judgement.CONFIRMED)])
def test_no_verdict_on_stability_rests_on_one_seed(seeds: int, wanted: Judgement) -> None:
    stable = [
        record for record in scripted.records("period", "algorithm=elastic_averaging") if record.labels.seed < seeds
    ]
    # What would be ADMM's: the same runs under its name, all diverged.
    algorithm = stable[0].specification.algorithm.model_copy(update={"name": "admm", "options": {}})
    falling = [_diverged(record, algorithm) for record in stable]
    assert judgement("easgd-stable-admm-not", *stable, *falling, kind="measured") is wanted


def _diverged(record: Record, algorithm: Algorithm) -> Record:
    specification = record.specification.model_copy(update={"algorithm": algorithm})
    labels = record.labels.model_copy(update={"algorithm": algorithm.name})
    outcome = record.outcome.model_copy(update={"status": "diverged", "reason": "the loss is not a number"})
    changed = {"specification": specification, "labels": labels, "outcome": outcome, "identity": record.identity[::-1]}
    return record.model_copy(update=changed)


def test_admm_leaves_no_records() -> None:
    finding = found("easgd-stable-admm-not", worlds.studied(*scripted.records("period", "seed=0")), "measured")
    assert finding.judgement is Judgement.NOT_TESTABLE
    assert "virtual time" in finding.because


def _exchanged(record: Record, records: tuple[Record, ...]) -> Record:
    """With the targets that the other algorithm reached."""
    twin = next(
        one
        for one in records
        if one.labels.algorithm != record.labels.algorithm
        and (one.labels.seed, one.labels.learning_rate) == (record.labels.seed, record.labels.learning_rate)
    )
    return record.model_copy(update={"reached": twin.reached, "evaluations": twin.evaluations})


def _aged(record: Record) -> Record:
    return _with_ages(record, lambda ages: {age + 3: count for age, count in ages.items()})


def _all_aged(record: Record, age: int) -> Record:
    return _with_ages(record, lambda ages: {age: sum(ages.values())})


def _with_ages(record: Record, changed: Callable[[Mapping[int, int]], Mapping[int, int]]) -> Record:
    ranks = []
    for rank in record.ranks:
        counted = rank.telemetry
        if counted is not None:
            counted = counted.model_copy(update={"staleness": changed(counted.staleness)})
        ranks.append(rank.model_copy(update={"telemetry": counted}))
    return record.model_copy(update={"ranks": tuple(ranks)})
