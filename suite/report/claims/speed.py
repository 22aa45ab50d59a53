"""Rules about time."""

from __future__ import annotations

import math

import numpy as np

from suite import statistics
from suite.record.schema import Record
from suite.report import formats
from suite.report.arms import Arm, Group
from suite.report.claims.claim import LEAST_RUNS, Claim, Finding, Judgement, Select, majority, untestable
from suite.report.claims.scope import Scope, chosen, place
from suite.report.convergence import Tuned, ratio, tuned
from suite.report.measures import Comparison, compare, pairs
from suite.report.sections.wording import plural
from suite.statistics import Interval, Verdict

# A floor is computed from declared bytes and the rate asked for: what beats it by less than this may be rounding.
SLACK = 0.03
# Iterations to converge fall with the number of contributions N as N^-0.85, from the two points that the paper states.
ITERATIONS_POWER = 0.85


def reaches(scope: Scope, claim: Claim) -> Finding:
    """Confirmed: somewhere the whole interval is at or above the value. Refuted: everywhere with room it is below."""
    value, first = claim.terms.value, claim.terms.first
    if value is None or first is None:
        raise ValueError(f"claim {claim.name}: rule reaches needs value and first")
    found: list[tuple[Comparison, Group, float]] = []
    for group in scope.groups(stragglers=False):
        for arm in chosen(group, first):
            measures = scope.study.of(arm)
            comparison = measures.over_reference if claim.terms.of == "synchronous" else measures.of_ceiling
            room = _room(scope, arm, group) if claim.terms.of == "synchronous" else math.inf
            if comparison is not None and comparison.rounds >= LEAST_RUNS:
                found.append((comparison, group, room))
    if not found:
        other = "synchronous" if claim.terms.of == "synchronous" else "no_communication"
        return untestable(f"no finished runs of {first.name} beside {other} in {LEAST_RUNS} interleaved rounds or more")
    best = max(found, key=lambda one: one[0].ratio.value)
    write = _share if claim.terms.of == "ceiling" else _times
    goal = f"{value:.0%}" if claim.terms.of == "ceiling" else f"{value:g}"
    figure = f"{write(best[0].ratio)} at best ({place(best[1])})"
    apart = _apart(best[0].ratio.value, value)
    enough = [one for one in found if one[0].ratio.low >= value]
    if enough:
        because = f"the whole interval reaches {goal} in {len(enough)} of {plural(len(found), 'setting')}"
        return Finding(Judgement.CONFIRMED, figure, because, apart)
    able = [one for one in found if one[2] >= value]
    if not able:
        most = max(room for _, _, room in found)
        because = f"nothing here leaves room for more than {formats.ratio(most)} over {claim.terms.of}"
        return Finding(Judgement.NOT_TESTABLE, figure, because, apart)
    if all(one[0].ratio.high < value for one in able):
        because = f"the whole interval is below {goal} in all {plural(len(able), 'setting')} with room for it"
        return Finding(Judgement.REFUTED, figure, because, apart)
    return Finding(Judgement.NOT_CONFIRMED, figure, f"no interval is wholly at or above {goal}, nor all below", apart)


def faster(scope: Scope, claim: Claim) -> Finding:
    """Confirmed: surely faster than all rivals in most settings, surely slower than one in none. Refuted: the reverse."""
    first = claim.terms.first
    if first is None or not claim.terms.second:
        raise ValueError(f"claim {claim.name}: rule faster needs first and second")
    ahead, behind, ratios = 0, 0, []
    for group in scope.groups(stragglers=claim.terms.stragglers):
        ours = [arm for arm in chosen(group, first) if arm.timed]
        rivals = [arm for select in claim.terms.second for arm in chosen(group, select) if arm.timed]
        if not ours or not rivals:
            continue
        best = max(ours, key=scope.study.speed)
        against = [one for rival in rivals for one in [compare(best, rival)] if one is not None]
        against = [one for one in against if one.rounds >= LEAST_RUNS]
        if not against:
            continue
        closest = min(against, key=lambda one: one.ratio.value)
        ratios.append((closest.ratio, group))
        ahead += all(one.verdict is Verdict.FASTER for one in against)
        behind += any(one.verdict is Verdict.SLOWER for one in against)
    if not ratios:
        names = ", ".join(dict.fromkeys(select.name for select in claim.terms.second))
        where = "under stragglers " if claim.terms.stragglers else ""
        rounds = f"{LEAST_RUNS} interleaved rounds or more"
        return untestable(f"no setting {where}has finished runs of {first.name} and {names} in {rounds}")
    middle = sorted(ratios, key=lambda one: one[0].value)[(len(ratios) - 1) // 2]
    where = f"the middle one of {len(ratios)} settings" if len(ratios) > 1 else "the one setting there is"
    figure = f"{_times(middle[0])} against its strongest rival, in {where}"
    because = f"surely first in {ahead}, surely behind in {behind} of {plural(len(ratios), 'setting')}"
    return Finding(majority(ahead, behind, len(ratios)), figure, because)


def exposed_share(scope: Scope, claim: Claim) -> Finding:
    """Confirmed: everywhere less than `value` of a step is exposed communication. Refuted: everywhere more."""
    value, first = claim.terms.value, claim.terms.first
    if value is None or first is None:
        raise ValueError(f"claim {claim.name}: rule exposed share needs value and first")
    shares = []
    for group in scope.groups(stragglers=False):
        for arm in chosen(group, first):
            parts = [run.parts for run in arm.finished if run.parts is not None]
            known = [one.exposed / one.seconds for one in parts if one.exposed is not None and one.seconds > 0]
            if len(known) >= LEAST_RUNS and group.setting.workers > 1:
                shares.append((float(np.mean(known)), group))
    if not shares:
        return untestable(f"no {LEAST_RUNS} finished runs of {first.name} that could tell exposed communication")
    low, high = min(shares, key=lambda one: one[0]), max(shares, key=lambda one: one[0])
    figure = f"{low[0]:.1%} to {high[0]:.1%} of a step" if len(shares) > 1 else f"{low[0]:.1%} of a step"
    because = f"below {value:.0%} in {sum(share < value for share, _ in shares)} of {plural(len(shares), 'setting')}"
    if high[0] < value:
        return Finding(Judgement.CONFIRMED, figure, because)
    return Finding(Judgement.REFUTED if low[0] >= value else Judgement.NOT_CONFIRMED, figure, because)


def layer_bound(scope: Scope, claim: Claim) -> Finding:
    """No step shorter than forward and wire time together. Needs replayed compute, whose forward time is stated."""
    first = claim.terms.first
    if first is None:
        raise ValueError(f"claim {claim.name}: rule layer bound needs first")
    found = []
    for group in scope.groups(stragglers=False):
        for arm in chosen(group, first):
            replay = arm.runs[0].record.specification.model.replay
            measures = scope.study.of(arm)
            wire = None if measures.floor is None else measures.floor.wire
            step = measures.step if len(arm.timed) >= LEAST_RUNS else None
            if replay is not None and replay.forward is not None and wire and step is not None:
                found.append((step.value / (replay.forward + wire), group))
    if not found:
        return untestable(f"no {LEAST_RUNS} runs of {first.name} over a network of known rate with replayed compute")
    low = min(found, key=lambda one: one[0])
    figure = f"{formats.ratio(low[0])} of the bound at least ({place(low[1])})"
    broken = sum(ratio < 1 - SLACK for ratio, _ in found)
    because = f"shorter than the bound in {broken} of {plural(len(found), 'setting')}"
    return Finding(Judgement.REFUTED if broken else Judgement.CONFIRMED, figure, because)


def order_statistics(scope: Scope, claim: Claim) -> Finding:
    """What dropping the last saves, beside what the order statistics of the delays that were asked for predict."""
    first = claim.terms.first
    if first is None:
        raise ValueError(f"claim {claim.name}: rule order statistics needs first")
    found: list[tuple[float, Interval, str]] = []
    for group in scope.groups(stragglers=True):
        reference = group.reference
        for arm in chosen(group, first):
            spares = arm.runs[0].record.specification.algorithm.options.get("spares")
            if reference is None or not isinstance(spares, int) or not arm.timed or not reference.timed:
                continue
            quorum = group.setting.workers - spares
            predicted = _predicted(reference.timed[0].record, quorum)
            rounds = pairs(arm, reference)
            if predicted is None or len(rounds) < LEAST_RUNS:
                continue
            # A round takes `quorum` of the contributions that a step of the whole job would.
            share = quorum / group.setting.workers
            scaled = [(theirs, ours.scaled(share)) for ours, theirs in rounds]
            found.append((predicted, statistics.paired_ratio(scaled), arm.title))
    if not found:
        return untestable(
            f"no {LEAST_RUNS} rounds of backup workers beside synchronous ones with the delays that were asked for"
        )
    margin = claim.terms.margin
    said = "; ".join(f"{label}: {_times(ratio)}, predicted {formats.ratio(wanted)}" for wanted, ratio, label in found)
    near = [abs(ratio.value / wanted - 1) <= margin for wanted, ratio, _ in found]
    off = [ratio.excludes(wanted) and not close for (wanted, ratio, _), close in zip(found, near, strict=True)]
    because = f"within {margin:.0%} of the prediction in {sum(near)} of {plural(len(found), 'case')}"
    worst = max(found, key=lambda one: abs(one[1].value / one[0] - 1))
    apart = _apart(worst[1].value, worst[0])
    if all(near):
        return Finding(Judgement.CONFIRMED, said, because, apart)
    return Finding(Judgement.REFUTED if all(off) else Judgement.NOT_CONFIRMED, said, because, apart)


def best_split(scope: Scope, claim: Claim) -> Finding:
    """Of as many workers as theirs, how many spares reach the highest target soonest: confirmed where none but those near
    theirs may be best, refuted where none of these may. Without training, round time times iterations (as N^-0.85)."""
    first, least, wanted = claim.terms.first, claim.terms.value, claim.terms.wanted
    if first is None or least is None or wanted is None:
        raise ValueError(f"claim {claim.name}: rule best split needs first, value and wanted")
    most = max((group.setting.workers for group in scope.groups()), default=0)
    if most < least:
        had = f"the records have {most} at most" if most else "there are no such records of this kind"
        return untestable(f"it takes {least:g} workers; {had}")
    for group in scope.groups(stragglers=True):
        soonest = _soonest(group, first) if group.setting.workers >= least else None
        if soonest is not None:
            may, figure = soonest
            near = [abs(spares - wanted) <= claim.terms.margin for spares in may]
            because = (
                f"{wanted:g} spares, or {claim.terms.margin:g} more or less, in {sum(near)} of those that may be best"
            )
            if all(near):
                return Finding(Judgement.CONFIRMED, figure, because)
            return Finding(Judgement.NOT_CONFIRMED if any(near) else Judgement.REFUTED, figure, because)
        costs: dict[int, float] = {}
        for arm in [*chosen(group, first), *([group.reference] if group.reference is not None else [])]:
            spares = int(arm.runs[0].record.specification.algorithm.options.get("spares") or 0)  # type: ignore[arg-type]
            rate = scope.study.of(arm).samples_per_second
            if rate is not None and rate.decides and group.setting.workers >= least:
                quorum = group.setting.workers - spares
                costs[spares] = quorum / rate.value * quorum**-ITERATIONS_POWER
        if len(costs) >= 3:
            best = min(costs, key=lambda spares: costs[spares])
            figure = f"{best} spares of {group.setting.workers} workers ({place(group)})"
            close = abs(best - wanted) <= claim.terms.margin
            because = f"least round time times iterations among {len(costs)} numbers of spares"
            return Finding(Judgement.CONFIRMED if close else Judgement.REFUTED, figure, because)
    return untestable("it takes at least three numbers of spares under one straggler")


def _soonest(group: Group, first: Select) -> tuple[list[int], str] | None:
    """The numbers of spares that may reach the highest target first, and the same in words; None without enough runs."""
    splits: dict[int, Tuned] = {}
    for arm in chosen(group, first):
        one, spares = tuned(arm), arm.runs[0].record.specification.algorithm.options.get("spares")
        if one is not None and isinstance(spares, int) and len(one.counted) >= LEAST_RUNS:
            splits[spares] = one
    efforts = {spares: {effort.target: effort for effort in one.efforts} for spares, one in splits.items()}
    always = [
        {target for target, effort in found.items() if effort.reached == effort.runs} for found in efforts.values()
    ]
    targets = set.intersection(*always) if always else set()
    if len(splits) < 3 or not targets:
        return None
    target = max(targets)
    best = min(splits, key=lambda spares: efforts[spares][target].seconds)
    may = [best]
    for spares, one in splits.items():
        later = None if spares == best else ratio(one, splits[best], target, "seconds")
        if later is not None and not (later.known and later.low > 1):
            may.append(spares)
    figure = (
        f"{best} spares soonest to {formats.share(target)}, in "
        f"{formats.digits(efforts[best][target].seconds)} s; not surely later: "
        + (", ".join(str(spares) for spares in sorted(may) if spares != best) or "none")
    )
    return sorted(may), figure


def _predicted(record: Record, quorum: int) -> float | None:
    """Mean step with the slowest rank over mean step with the quorum-th, from the delays that were asked for."""
    replay = record.specification.model.replay
    if replay is None or replay.forward is None or replay.backward is None:
        return None
    count = len(record.ranks[0].steps.seconds)
    rows = [rank.injected_asked if rank.injected_asked is not None else (0.0,) * count for rank in record.ranks]
    if any(len(row) != count for row in rows) or not any(any(row) for row in rows):
        return None
    ordered = np.sort(np.array(rows), axis=0)
    compute = replay.forward + replay.backward
    return float((compute + ordered[-1].mean()) / (compute + ordered[quorum - 1].mean()))


def _room(scope: Scope, arm: Arm, group: Group) -> float:
    """The most that an algorithm could gain over synchronous training: without communication, and at its floor."""
    floor = scope.study.of(arm).floor
    rooms = [] if floor is None or floor.ceiling is None else [floor.ceiling]
    ceiling = scope.study.of(group.ceiling).over_reference if group.ceiling is not None else None
    rooms += [] if ceiling is None else [ceiling.ratio.value]
    return min(rooms, default=0.0)


def _apart(ours: float, theirs: float) -> str:
    return f"{ours / theirs - 1:+.0%}"


def _times(interval: Interval) -> str:
    return formats.around(interval, places="ratio", unit="×")


def _share(interval: Interval) -> str:
    return f"{interval.value:.0%} [{interval.low:.0%}, {interval.high:.0%}]"
