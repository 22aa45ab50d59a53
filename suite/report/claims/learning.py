"""Rules about how well training went."""

from __future__ import annotations

import math
from collections.abc import Iterator

from scipy import stats

from suite import statistics
from suite.report import formats
from suite.report.arms import Group
from suite.report.claims.claim import LEAST_RUNS, Claim, Finding, Judgement, Select, majority, untestable
from suite.report.claims.scope import Scope, chosen
from suite.report.convergence import Tuned, at_rate, converges, ratio, tuned
from suite.report.sections.wording import plural
from suite.statistics import Interval

Pair = tuple[Tuned, Tuned, Group]


def needs_samples(scope: Scope, claim: Claim) -> Finding:
    """Samples to a target, seed by seed. Confirmed where the whole interval is on the expected side of 1."""
    found: list[tuple[str, float, float, bool]] = []  # what to show; interval's ends; whether there is an interval
    for ours, theirs, _ in _pairs(scope, claim):
        target = _target(theirs, claim.terms.target)
        effort = None if target is None else ours.effort(target)
        if target is None or effort is None:
            continue
        interval = ratio(ours, theirs, target)
        goal = f"to {formats.share(target)}, {ours.arm.title}"
        if interval is not None and interval.known:
            found.append(
                (f"{formats.around(interval, places='ratio', unit='×')} {goal}", interval.low, interval.high, True)
            )
        elif ours.diverged:  # which says what rate it does not bear, not how many samples it needs
            found.append((f"diverged in {ours.diverged} of {effort.runs} runs {goal}", 0.0, math.inf, False))
        elif effort.reached * 2 < effort.runs and effort.runs >= LEAST_RUNS:
            found.append(
                (f"never in {effort.runs - effort.reached} of {effort.runs} runs {goal}", math.inf, math.inf, True)
            )
        else:
            found.append((f"reached in {effort.reached} of {effort.runs} runs {goal}", 0.0, math.inf, False))
    if not found:
        return untestable("no finished runs of both with evaluations and a target that the second always reached")
    more = claim.terms.expect == "more"
    right = sum(low > 1 if more else high < 1 for _, low, high, _ in found)
    wrong = sum(high < 1 if more else low > 1 for _, low, high, _ in found)
    because = (
        f"surely {claim.terms.expect} samples in {right}, surely not in {wrong} of {plural(len(found), 'comparison')}"
    )
    return Finding(majority(right, wrong, len(found)), "; ".join(text for text, *_ in found[:4]), because)


def final_accuracy(scope: Scope, claim: Claim) -> Finding:
    """Differences of the last accuracies, seed by seed, each algorithm at its best learning rate."""
    margin, expect = claim.terms.margin, claim.terms.expect
    said, right, wrong, count = [], 0, 0, 0
    for ours, theirs, _ in _pairs(scope, claim):
        interval = difference(ours, theirs)
        if interval is None:
            continue
        count += 1
        said.append(f"{_points(interval)} ({ours.arm.title} less {theirs.arm.title})")
        sides = {
            "higher": (interval.low > margin, interval.high < 0),
            "lower": (interval.high < -margin, interval.low > 0),
            "same": (
                interval.low > -margin and interval.high < margin,
                interval.low > margin or interval.high < -margin,
            ),
        }
        if expect not in sides:
            raise ValueError(f"claim {claim.name}: rule final accuracy expects higher, lower or same")
        right += sides[expect][0]
        wrong += sides[expect][1]
    if not count:
        return untestable("no finished runs of both with evaluations and the same seeds, at least two")
    room = f" by more than {margin:.1%}" if margin and expect != "same" else f" within {margin:.1%}" if margin else ""
    because = f"surely {expect}{room} in {right}, surely not in {wrong} of {plural(count, 'comparison')}"
    return Finding(majority(right, wrong, count), "; ".join(said[:4]), because)


def grows_with(scope: Scope, claim: Claim) -> Finding:
    """Kendall's rank correlation, over runs, of an option (0 for the second) with the samples to a target, or with the last
    error. A run that diverged counts as worse than all that did not."""
    first, option = claim.terms.first, claim.terms.option
    if first is None or not option or not claim.terms.second:
        raise ValueError(f"claim {claim.name}: rule grows with needs first, second and option")
    error = claim.terms.of_runs == "error"
    for group in scope.groups():
        base = _tuned(group, claim.terms.second)
        target = _target(base[0], claim.terms.target) if base else None
        if not base or not converges(group) or (target is None and not error):
            continue
        sized = [(0.0, base[0])]
        for arm in chosen(group, first):
            one = at_rate(arm, base[0].learning_rate) if claim.terms.tuning == "same" else tuned(arm)
            size = arm.runs[0].record.specification.algorithm.options.get(option)
            if one is not None and isinstance(size, int | float) and arm is not base[0].arm:
                sized.append((float(size), one))
        measured = [(size, _errors(one) if target is None or error else _samples(one, target)) for size, one in sized]
        measured = [(size, values) for size, values in measured if len(values) >= LEAST_RUNS]
        sizes = sorted({size for size, _ in measured})
        if len(sizes) < 3:
            continue
        points = [(size, value) for size, values in measured for value in values]
        found = stats.kendalltau([size for size, _ in points], [value for _, value in points])
        chance = "p < 0.001" if found.pvalue < 0.001 else f"p = {found.pvalue:.3f}"
        what = "last error" if error else f"samples to {formats.share(target or 0.0)}"
        figure = (
            f"rank correlation {found.statistic:.2f} ({chance}) of {what} over {len(points)} runs, {option} "
            f"{sizes[0]:g} to {sizes[-1]:g}"
        )
        if not found.pvalue < 1 - statistics.CONFIDENCE:
            return Finding(Judgement.NOT_CONFIRMED, figure, "no trend that chance would not show")
        grows = found.statistic > 0
        noun = "error" if error else "samples"
        because = f"{'more' if grows else 'less' if error else 'fewer'} {noun} with more {option}"
        return Finding(Judgement.CONFIRMED if grows else Judgement.REFUTED, figure, because)
    return untestable(
        f"no group with at least three values of {option}, each with {LEAST_RUNS} seeds, that was trained to a target"
    )


def difference(first: Tuned, second: Tuned) -> Interval | None:
    """Mean difference of final accuracies; None below two pairs. A run that diverged has the accuracy it had last."""
    ours, theirs = _finals(first), _finals(second)
    both = sorted(set(ours) & set(theirs))
    if len(both) < 2:
        return None
    return statistics.mean([ours[key] - theirs[key] for key in both])


def _finals(one: Tuned) -> dict[tuple[int, int], float]:
    return {
        (run.record.labels.seed, run.record.repetition): run.record.evaluations[-1].top1
        for run in one.runs
        if run.record.evaluations
    }


def _pairs(scope: Scope, claim: Claim) -> Iterator[Pair]:
    first = claim.terms.first
    if first is None or not claim.terms.second:
        raise ValueError(f"claim {claim.name}: rule {claim.rule} needs first and second")
    for group in scope.groups():
        if not converges(group):
            continue
        for theirs in _tuned(group, claim.terms.second):
            for arm in chosen(group, first):
                ours = at_rate(arm, theirs.learning_rate) if claim.terms.tuning == "same" else tuned(arm)
                if ours is not None and arm is not theirs.arm and _comparable(ours, theirs, claim):
                    yield ours, theirs, group


def _comparable(ours: Tuned, theirs: Tuned, claim: Claim) -> bool:
    """Where the terms name an option, only arms that agree in it are set beside each other."""
    option = claim.terms.option
    if not option:
        return True
    values = [one.arm.runs[0].record.specification.algorithm.options.get(option) for one in (ours, theirs)]
    return values[0] == values[1]


def _tuned(group: Group, selects: tuple[Select, ...]) -> list[Tuned]:
    arms = dict.fromkeys(arm for select in selects for arm in chosen(group, select))
    return [one for arm in arms for one in [tuned(arm)] if one is not None]


def _target(reference: Tuned, which: str) -> float | None:
    reached = [effort.target for effort in reference.efforts if effort.reached == effort.runs]
    if not reached:
        return None
    return min(reached) if which == "lowest" else max(reached)


def _samples(one: Tuned, target: float) -> list[float]:
    """Infinite where a run never got there."""
    found = []
    for run in one.counted:
        hit = [reached.samples for reached in run.record.reached if math.isclose(reached.target, target)]
        found.append(float(hit[0]) if hit else math.inf)
    return found


def _errors(one: Tuned) -> list[float]:
    return [
        math.inf if run.record.outcome.status == "diverged" else 1 - run.record.evaluations[-1].top1
        for run in one.counted
    ]


def _points(interval: Interval) -> str:
    if not interval.known:
        return f"{100 * interval.value:+.1f} points"
    return f"{100 * interval.value:+.1f} points [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
