"""What one arm's runs say about its speed, alone and beside the reference, the control and the ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from suite import statistics
from suite.report.arms import Arm, Group, Run
from suite.report.floors import Floor, floor
from suite.report.noise import noise
from suite.report.timing import Timing
from suite.statistics import Interval, Series, Verdict

Rounds = list[tuple[Series, Series]]

# Two runs of the very same on the machines of the reference evidence: what a single one may stand above its ceiling.
RUNS_DIFFER = 0.02


@dataclass(frozen=True)
class Comparison:
    """How many times as fast one arm is as another, counting only work that was used."""

    ratio: Interval
    verdict: Verdict
    rounds: int

    @property
    def said(self) -> str:
        """The verdict in words: `unknown: one run` where there was too little to judge by."""
        return f"{self.verdict.value}: {self.ratio.lacks}" if self.verdict is Verdict.UNKNOWN else self.verdict.value


@dataclass(frozen=True)
class Measures:
    """None: not known, or nothing to compare with."""

    step: Interval | None = None  # seconds per step of the job: work over time
    samples_per_second: Interval | None = None
    over_reference: Comparison | None = None
    over_control: Comparison | None = None
    of_ceiling: Comparison | None = None
    floor: Floor | None = None
    exposed: float | None = None
    wait: float | None = None
    useful: float = 1.0
    warnings: tuple[str, ...] = ()


def measures(arm: Arm, group: Group) -> Measures:
    """Nothing of arms that ran for their memory: they give it back at once, which is slow."""
    if not arm.timed or arm.for_memory:
        return Measures()
    timings = [run.timing for run in arm.timed if run.timing is not None]
    step = statistics.mean_step([one.series for one in timings])
    useful = float(np.mean([one.useful for one in timings]))
    parts = [run.parts for run in arm.timed if run.parts is not None]
    of_ceiling = compare(arm, group.ceiling)
    return Measures(
        step=step,
        samples_per_second=_rate(statistics.mean_step([one.useful_series for one in timings]), arm.samples_per_step),
        over_reference=compare(arm, group.reference),
        over_control=compare(arm, group.control),
        of_ceiling=of_ceiling,
        floor=floor(arm, group),
        exposed=_mean([one.exposed for one in parts]),
        wait=_mean([one.wait for one in parts]),
        useful=useful,
        warnings=(*_disturbed(arm), *_restless(timings), *_above_the_ceiling(arm, of_ceiling)),
    )


def compare(first: Arm, second: Arm | None) -> Comparison | None:
    """None without a second arm, with the same one, or where no two runs were interleaved."""
    if second is None or second is first or first.for_memory or second.for_memory:
        return None
    rounds = pairs(first, second)
    if not rounds:
        return None
    # The time of the second over the time of the first: above 1 the first is faster.
    ratio = statistics.paired_ratio([(theirs, ours) for ours, theirs in rounds])
    verdicts = {Verdict.FASTER: Verdict.SLOWER, Verdict.SLOWER: Verdict.FASTER}
    said = statistics.verdict(ratio)
    return Comparison(ratio, verdicts.get(said, said), len(rounds))


def pairs(first: Arm, second: Arm) -> Rounds:
    """Runs of the same block. Where a block has several (learning rates), in their order."""
    ours, theirs = _by_block(first), _by_block(second)
    return [
        (one.timing.useful_series, other.timing.useful_series)
        for block in ours
        if block in theirs
        for one, other in zip(ours[block], theirs[block], strict=False)
        if one.timing is not None and other.timing is not None
    ]


def _by_block(arm: Arm) -> dict[tuple[str, int, int], list[Run]]:
    found: dict[tuple[str, int, int], list[Run]] = {}
    for run in sorted(arm.timed, key=lambda one: one.record.labels.learning_rate):
        found.setdefault(run.block, []).append(run)
    return dict(sorted(found.items()))


def _rate(step: Interval, samples: float) -> Interval:
    low = samples / step.high
    high = samples / step.low if step.low > 0 else float("inf")
    return replace(step, value=samples / step.value, low=low, high=high)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _restless(timings: Sequence[Timing]) -> tuple[str, ...]:
    found = [noise(one.series.times).warning() for one in timings]
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _disturbed(arm: Arm) -> tuple[str, ...]:
    """Where there is nothing better."""
    told = dict.fromkeys(text for run in arm.timed for text in run.disturbed)
    return (f"every run of {arm.label} was disturbed: {'; '.join(told)}",) if told else ()


def _above_the_ceiling(arm: Arm, share: Comparison | None) -> tuple[str, ...]:
    """Nothing can be faster than the same work without any communication: one of the two was disturbed."""
    if share is None:
        return ()
    ratio = share.ratio
    if ratio.low <= 1 if ratio.decides else ratio.value <= 1 + RUNS_DIFFER:
        return ()
    runs = ", ".join(run.record.identity[:12] for run in arm.timed)
    return (f"{arm.label} is above its ceiling ({ratio.value:.1%} of it): {runs}, or the ceiling's own, was disturbed",)
