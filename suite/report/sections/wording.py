"""Settings and kinds in words."""

from __future__ import annotations

from collections.abc import Iterable

from suite.record.axes import AXES, Use, axes, numeric, shown, title
from suite.record.schema import Record
from suite.report import words
from suite.report.arms import Arm, Group, Setting
from suite.report.content import Column, Entry

# Along what settings differ: the axes of the experiment, and the machines.
ENVIRONMENT = "environment"
SETTING = axes(Use.SETTING)


def varying(settings: Iterable[Setting], among: tuple[str, ...] = (*SETTING, ENVIRONMENT)) -> tuple[str, ...]:
    """The axes along which these settings differ."""
    those = list(settings)
    return tuple(axis for axis in among if len({getattr(one, axis) for one in those}) > 1)


def value(setting: Setting, axis: str) -> str:
    return setting.environment if axis == ENVIRONMENT else AXES[axis].text(shown(setting, axis))


def column(axis: str) -> Column:
    return Column(axis, title(axis), axis != ENVIRONMENT and numeric(axis))


def entry(setting: Setting, axis: str) -> Entry:
    """A setting's place in the column of an axis; a number sorts as one."""
    text = value(setting, axis)
    return Entry(text, shown(setting, axis) if axis != ENVIRONMENT and numeric(axis) else text)


def describe(setting: Setting, among: Iterable[str] = SETTING) -> str:
    """`PyTorch, AlexNet, 4 workers, 400 Mbit/s`, with only the axes asked for."""
    return ", ".join(text for axis in among if (text := _phrase(setting, axis)))


def _phrase(setting: Setting, axis: str) -> str:
    if axis == ENVIRONMENT:
        return f"environment {setting.environment}" if setting.environment else ""
    if axis == "straggler":
        return words.straggler(setting.straggler)
    if axis == "model":
        return words.net("", setting.model)
    return AXES[axis].said(getattr(setting, axis))


def common(groups: Iterable[Group]) -> str:
    """What all settings share, in words."""
    settings = [group.setting for group in groups]
    changing = varying(settings)
    return describe(settings[0], [axis for axis in SETTING if axis not in changing])


def compute(arms: Iterable[Arm]) -> str:
    """How the computation was done and over what, for a caption."""
    those = list(arms)
    replayed = {arm.setting.replayed for arm in those}
    networks = {arm.runs[0].record.specification.network.evidence for arm in those}
    said = []
    if replayed == {True}:
        said.append("compute is replayed (layers sleep for stated times)")
    elif len(replayed) == 2:
        said.append("some compute is replayed")
    if "emulated" in networks:
        said.append("the network is emulated (shaped links between namespaces of one machine)")
    if "simulated" in networks:
        said.append("all workers are simulated: real gradients, virtual time by a model of computing and of a ring")
    return "; ".join(said)


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def ended_early(records: Iterable[Record]) -> str:
    """`3 of 40 runs did not finish, 2 of 40 runs diverged`; nothing where all came to their end."""
    those = list(records)
    failed, diverged = sum(one.failed for one in those), sum(one.outcome.status == "diverged" for one in those)
    found = {"did not finish": failed, "diverged": diverged}
    return ", ".join(f"{count} of {plural(len(those), 'run')} {words}" for words, count in found.items() if count)


def some(names: list[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
