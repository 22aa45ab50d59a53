"""Records put together: an arm is one algorithm, and form of the wire, in one setting, all whose runs may be averaged."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from suite.record.axes import Labels, Use, sorted_by
from suite.record.outcome import Diverged, Failed
from suite.record.rank import Telemetry
from suite.record.schema import Facts, Record
from suite.report import facts, words
from suite.report.timing import Parts, Timing, parts, timing

KINDS = ("measured", "emulated", "simulated")


class Setting(Labels):
    """Everything that is equal where algorithms are compared: labels along its axes, and what no label says."""

    experiment: str
    kind: str
    replayed: bool
    environment: str  # E1, E2 ...; empty where no host could say


@dataclass(frozen=True, eq=False)
class Run:
    record: Record
    disturbed: tuple[str, ...] = ()  # by what

    @functools.cached_property
    def timing(self) -> Timing | None:
        return timing(self.record)

    @functools.cached_property
    def parts(self) -> Parts | None:
        return parts(self.record)

    @functools.cached_property
    def facts(self) -> Facts | None:
        """What the algorithm has declared of itself."""
        return facts.of(self.record)

    @property
    def block(self) -> tuple[str, int, int]:
        """Runs of one block were interleaved: what was tried again ran beside what else was, minutes later."""
        later = 0 if self.record.kind == "simulated" else self.record.attempt  # modelled times are the same whenever
        return (self.record.sweep.identifier, self.record.sweep.round, later)

    @property
    def ended(self) -> str:
        outcome = self.record.outcome
        if isinstance(outcome, Failed):
            return f"failed: {outcome.reason.value}"
        if isinstance(outcome, Diverged):
            return f"diverged at step {outcome.step}"
        return "finished, disturbed" if self.disturbed else "finished"


@dataclass(frozen=True, eq=False)
class Arm:
    setting: Setting
    label: str  # as the experiment calls it
    runs: tuple[Run, ...]
    title: str = ""  # in words, no two alike in one group

    @property
    def family(self) -> str:
        """In words, without options."""
        return words.family(self.runs[0].record)

    @property
    def name(self) -> str:
        return self.runs[0].record.specification.algorithm.name

    @property
    def facts(self) -> Facts | None:
        return self.runs[0].facts

    @property
    def role(self) -> str:
        return "algorithm" if self.facts is None else self.facts.role

    @property
    def silent(self) -> bool:
        """Whether nothing of it travels."""
        return self.facts is not None and self.facts.silent

    @property
    def finished(self) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if run.record.finished)

    @property
    def timed(self) -> tuple[Run, ...]:
        """Runs that speeds are averaged over: those that were disturbed only where there are no others."""
        timed = tuple(run for run in self.runs if run.timing is not None)
        return tuple(run for run in timed if not run.disturbed) or timed

    @property
    def telemetry(self) -> list[Telemetry]:
        """Of every rank of every finished run."""
        return [rank.telemetry for run in self.finished for rank in run.record.ranks if rank.telemetry is not None]

    @property
    def for_memory(self) -> bool:
        """Runs whose memory was measured say nothing about speed."""
        return bool(self.runs[0].record.specification.measure_memory)

    @property
    def coded(self) -> bool:
        """Whether numbers travel in another form than they have."""
        return self.runs[0].record.specification.form != "none"

    @property
    def overlaps(self) -> bool:
        return bool(self.runs[0].record.specification.algorithm.options.get("overlap"))

    @property
    def samples_per_step(self) -> int:
        return self.runs[0].record.specification.batch_size * self.setting.workers


@dataclass(frozen=True, eq=False)
class Group:
    """The arms of one setting, in the order of the experiment."""

    setting: Setting
    arms: tuple[Arm, ...]

    @property
    def reference(self) -> Arm | None:
        """Synchronous without overlap: the papers' baseline."""
        return self._of("reference")

    @property
    def control(self) -> Arm | None:
        return self._of("control")

    @property
    def ceiling(self) -> Arm | None:
        return self._of("ceiling")

    def _of(self, role: str) -> Arm | None:
        """Its numbers travel as they are: a coded one is compared, never compared with."""
        return next((one for one in self.arms if one.role == role and not one.coded), None)


def groups(
    records: Iterable[Record],
    environments: dict[str, str],
    disturbed: Mapping[tuple[str, str, int], tuple[str, ...]] | None = None,
) -> tuple[Group, ...]:
    troubled = disturbed or {}
    found: dict[Setting, dict[str, list[Run]]] = {}
    for record in records:
        setting = setting_of(record, environments)
        found.setdefault(setting, {}).setdefault(record.labels.contender, []).append(
            Run(record, troubled.get(record.key, ()))
        )
    return tuple(
        Group(setting, _arms(setting, sorted(arms.items(), key=_order)))
        for setting, arms in sorted(found.items(), key=lambda one: _natural(one[0]))
    )


def _arms(setting: Setting, those: list[tuple[str, list[Run]]]) -> tuple[Arm, ...]:
    titles = [words.algorithm(runs[0].record) for _, runs in those]
    return tuple(
        Arm(setting, label, tuple(runs), title if titles.count(title) == 1 else f"{title} [{label}]")
        for (label, runs), title in zip(those, titles, strict=True)
    )


def setting_of(record: Record, environments: dict[str, str], *apart: Use) -> Setting:
    """`apart`: what tells settings from each other besides, for readers who keep more apart."""
    kept = record.labels.without(*({Use.CONTENDER, Use.TUNED, Use.AVERAGED} - set(apart)))
    return Setting(
        **kept.model_dump(),
        experiment=record.experiment,
        kind=record.kind,
        replayed=record.replayed,
        environment=environments.get(record.environment, ""),
    )


# From what most readers ask first to what few do; others follow by name.
EXPERIMENTS = (
    "quick",
    "scaling",
    "network",
    "stragglers",
    "faults",
    "convergence",
    "adasum",
    "delay",
    "period",
    "floor",
    "floor-tensorflow",
    "floor-period",
    "floor-quorum",
    "wire",
    "order-statistics",
    "frameworks",
    "memory",
)


def _natural(setting: Setting) -> tuple[object, ...]:
    return (
        EXPERIMENTS.index(setting.experiment) if setting.experiment in EXPERIMENTS else len(EXPERIMENTS),
        setting.experiment,
        KINDS.index(setting.kind),
        *sorted_by(setting, Use.SETTING),
        setting.environment,
    )


def _order(item: tuple[str, list[Run]]) -> tuple[object, ...]:
    """Ceiling, control and reference first, then as algorithms say where they belong."""
    label, runs = item
    name, known = runs[0].record.specification.algorithm.name, runs[0].facts
    place = (len(facts.ROLES), 0) if known is None else (facts.ROLES.index(known.role), known.place)
    return (*place, name, _numbers(label), label)


def _numbers(label: str) -> tuple[float, ...]:
    """So that period=4 stands before period=16."""
    found = "".join(letter if letter.isdigit() else " " for letter in label).split()
    return tuple(float(one) for one in found)
