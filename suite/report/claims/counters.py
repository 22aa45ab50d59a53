"""Rules about what wrappers counted and how runs ended."""

from __future__ import annotations

import numpy as np

from suite import statistics
from suite.report import formats
from suite.report.arms import Run
from suite.report.claims.claim import LEAST_RUNS, Claim, Finding, Judgement, untestable
from suite.report.claims.scope import Scope, chosen
from suite.report.sections.wording import plural

EXPECTED = {
    "zero": "no staleness",
    "workers - 1": "one round less than there are workers",
    "steps": "the delay asked for",
}


def staleness(scope: Scope, claim: Claim) -> Finding:
    """Mean rounds between reading and applying, beside what is expected, in every run."""
    first, expect = claim.terms.first, claim.terms.expect
    if first is None or expect is None:
        raise ValueError(f"claim {claim.name}: rule staleness needs first and expect")
    gaps, means = [], []
    for group in scope.groups(stragglers=claim.terms.stragglers or None):
        for arm in chosen(group, first):
            for run in arm.finished:
                mean = mean_staleness(run)
                if mean is not None and group.setting.workers > 1:
                    means.append(mean)
                    gaps.append(mean - _expected(expect, run, group.setting.workers))
    if len(gaps) < LEAST_RUNS:
        return untestable(f"no {LEAST_RUNS} finished runs of {first.name} on several workers that counted staleness")
    margin = claim.terms.margin
    figure = f"{formats.digits(float(np.mean(means)))} rounds on average over {plural(len(means), 'run')}"
    close = sum(abs(gap) <= margin for gap in gaps)
    within = f"within {margin:g} of that" if margin else "exactly that"
    because = f"expected {EXPECTED[expect]}; {within} in {close} of {plural(len(gaps), 'run')}"
    apart = f"{float(np.mean(gaps)):+.2g} rounds"
    if close == len(gaps):
        return Finding(Judgement.CONFIRMED, figure, because, apart)
    interval = statistics.mean(gaps)
    surely_off = interval.known and (interval.low > margin or interval.high < -margin)
    # Where exactness is claimed, one run that is not exact is enough; else most have to be off.
    refuted = (surely_off and 2 * close < len(gaps)) or (margin == 0 and close < len(gaps))
    return Finding(Judgement.REFUTED if refuted else Judgement.NOT_CONFIRMED, figure, because, apart)


def stable_beside(scope: Scope, claim: Claim) -> Finding:
    """Runs that diverged. Confirmed: none of the first, some of the second. Refuted: the reverse."""
    first, second = claim.terms.first, claim.terms.second
    if first is None or not second:
        raise ValueError(f"claim {claim.name}: rule stable beside needs first and second")
    ours = [run for group in scope.groups() for arm in chosen(group, first) for run in arm.runs]
    theirs = [run for group in scope.groups() for select in second for arm in chosen(group, select) for run in arm.runs]
    if not ours or not theirs:
        lacking = " or ".join(select.name for select in second) if not theirs else first.name
        why = f" ({claim.terms.absent})" if claim.terms.absent else ""
        return untestable(f"there are no records of {lacking}{why}")
    if min(_seeds(ours), _seeds(theirs)) < LEAST_RUNS:
        return untestable(f"no runs of both with at least {LEAST_RUNS} seeds or repetitions")
    mine, other = (sum(run.record.outcome.status == "diverged" for run in runs) for runs in (ours, theirs))
    figure = f"{mine} of {len(ours)} runs diverged, against {other} of {len(theirs)}"
    if mine == 0 and other:
        return Finding(Judgement.CONFIRMED, figure, "only the second diverged")
    refuted = mine > 0 and other == 0
    return Finding(Judgement.REFUTED if refuted else Judgement.NOT_CONFIRMED, figure, "diverged runs were counted")


def _seeds(runs: list[Run]) -> int:
    return len({(run.record.labels.seed, run.record.repetition) for run in runs})


def mean_staleness(run: Run) -> float | None:
    counts: dict[int, int] = {}
    for rank in run.record.ranks:
        for age, count in (rank.telemetry.staleness if rank.telemetry is not None else {}).items():
            counts[age] = counts.get(age, 0) + count
    total = sum(counts.values())
    return sum(age * count for age, count in counts.items()) / total if total else None


def _expected(expect: str, run: Run, workers: int) -> float:
    if expect == "zero":
        return 0.0
    if expect == "workers - 1":
        return workers - 1.0
    steps = run.record.specification.algorithm.options.get("steps")
    if expect != "steps" or not isinstance(steps, int):
        raise ValueError(f"staleness cannot be expected to be {expect!r}")
    return float(steps)
