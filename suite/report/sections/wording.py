"""Settings and kinds in words."""

from __future__ import annotations

from collections.abc import Iterable

from suite.report.arms import Arm, Group, Setting

AXES = ("framework", "model", "workers", "network", "straggler", "environment")
KIND = {
    "measured": "measured",
    "emulated": "emulated",
    "simulated": "simulated",
}
FRAMEWORK = {"torch": "PyTorch", "tensorflow": "TensorFlow"}


def varying(settings: Iterable[Setting], axes: tuple[str, ...] = AXES) -> tuple[str, ...]:
    """The axes along which these settings differ."""
    those = list(settings)
    return tuple(axis for axis in axes if len({getattr(one, axis) for one in those}) > 1)


def value(setting: Setting, axis: str) -> str:
    found = str(getattr(setting, axis))
    return FRAMEWORK.get(found, found) if axis == "framework" else found


def describe(setting: Setting, axes: Iterable[str]) -> str:
    """`PyTorch, AlexNet, 4 workers, 400 Mbit/s`, with only the axes asked for."""
    words = []
    for axis in axes:
        text = value(setting, axis)
        if axis == "workers":
            text = f"{text} worker{'s' if setting.workers != 1 else ''}"
        elif axis == "straggler":
            text = "no straggler" if text == "none" else text
        elif axis == "environment":
            text = f"environment {text}" if text else ""
        words.append(text)
    return ", ".join(word for word in words if word)


def common(groups: Iterable[Group]) -> str:
    """What all settings share, in words."""
    settings = [group.setting for group in groups]
    changing = varying(settings)
    return describe(settings[0], [axis for axis in AXES if axis not in changing and axis != "environment"])


def compute(arms: Iterable[Arm]) -> str:
    """How the computation was done and over what, for a caption."""
    those = list(arms)
    replayed = {arm.setting.replayed for arm in those}
    networks = {arm.runs[0].record.specification.network.kind for arm in those}
    words = []
    if replayed == {True}:
        words.append("compute is replayed (layers sleep for stated times)")
    elif len(replayed) == 2:
        words.append("some compute is replayed")
    if "emulated" in networks:
        words.append("the network is emulated (shaped links between namespaces of one machine)")
    if "virtual" in networks:
        words.append("all workers are simulated: real gradients, virtual time by a model of computing and of a ring")
    return "; ".join(words)


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
