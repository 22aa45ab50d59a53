"""Every claim judged by its rule, once for each kind of evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from suite.report.claims import counters, learning, speed
from suite.report.claims.claim import Claim, Finding, Judgement, RuleName, untestable
from suite.report.claims.scope import Scope, scope
from suite.report.study import Study

RULES: Mapping[RuleName, Callable[[Scope, Claim], Finding]] = {
    "reaches": speed.reaches,
    "faster": speed.faster,
    "exposed share": speed.exposed_share,
    "layer bound": speed.layer_bound,
    "order statistics": speed.order_statistics,
    "best split": speed.best_split,
    "needs samples": learning.needs_samples,
    "final accuracy": learning.final_accuracy,
    "grows with": learning.grows_with,
    "staleness": counters.staleness,
    "stable beside": counters.stable_beside,
}


@dataclass(frozen=True)
class Judged:
    claim: Claim
    findings: tuple[tuple[str, Finding], ...]  # by kind of evidence

    @property
    def testable(self) -> tuple[tuple[str, Finding], ...]:
        return tuple(one for one in self.findings if one[1].judgement is not Judgement.NOT_TESTABLE)


def judge(study: Study, claims: tuple[Claim, ...]) -> tuple[Judged, ...]:
    return tuple(Judged(claim, tuple((kind, _finding(study, claim, kind)) for kind in study.kinds)) for claim in claims)


# What these lack, they lack in all records.
KNOW_WHY = frozenset({"best split", "stable beside"})


def _finding(study: Study, claim: Claim, kind: str) -> Finding:
    chosen = scope(study, claim, kind)
    if not chosen.experiments and claim.rule not in KNOW_WHY:
        return untestable(f"no {kind} records of an experiment that tests it")
    return RULES[claim.rule](chosen, claim)
