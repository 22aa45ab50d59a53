"""Speed against the number of workers, against the rate of the network, and under stragglers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from suite.report.arms import Arm, Group, Setting
from suite.report.charts.specification import Bar, BarPanel, Bars, Line, Lines, Mark, Panel, Role
from suite.report.content import Figure
from suite.report.formats import digits
from suite.report.measures import Measures
from suite.report.sections.wording import describe, varying
from suite.report.study import Experiment, Study

LEAST_WORKERS, LEAST_RATES, LEAST_STRAGGLERS = 3, 3, 2
ROLES = {"reference": Role.REFERENCE, "control": Role.CONTROL, "ceiling": Role.CEILING}

Value = tuple[float, float | None, float | None]  # with an interval around it, where one is known


def figures(experiment: Experiment, study: Study) -> Iterator[Figure]:
    if has_workers(experiment):
        yield from workers(experiment, study)
    if has_rates(experiment):
        yield from network(experiment, study)
    if has_stragglers(experiment):
        yield from stragglers(experiment, study)


def has_workers(experiment: Experiment) -> bool:
    return len({group.setting.workers for group in experiment.groups}) >= LEAST_WORKERS


def has_rates(experiment: Experiment) -> bool:
    return len({rate for group in experiment.groups if (rate := rate_of(group)) is not None}) >= LEAST_RATES


def has_stragglers(experiment: Experiment) -> bool:
    return len({group.setting.straggler for group in experiment.groups}) >= LEAST_STRAGGLERS


def rate_of(group: Group) -> float | None:
    return group.arms[0].runs[0].record.specification.network.rate_mbit


def workers(experiment: Experiment, study: Study) -> Iterator[Figure]:
    families = _families(experiment, lambda setting: setting.model_copy(update={"workers": 0}))
    axes = tuple(axis for axis in varying(group.setting for group in experiment.groups) if axis != "workers")
    panels = []
    for setting, groups in families:
        if len(groups) < 2:
            continue
        title = describe(setting, axes)
        alone = _alone(groups, study)
        y_title = "× one worker" if alone else "samples/s"
        scale = 1 / alone if alone else 1.0
        at = sorted({group.setting.workers for group in groups})
        lines = list(_lines(groups, study, lambda group: float(group.setting.workers), _rate, scale))
        lines += _bound(groups, study, lambda group: float(group.setting.workers), scale)
        if alone:
            places = tuple(float(one) for one in at)
            lines.append(Line("as many times as workers", places, places, role=Role.IDEAL))
        ticks = tuple((float(one), str(one)) for one in at)
        panels.append(Panel(title or "speed", tuple(lines), "workers", y_title, x_ticks=ticks, y_from_zero=True))
        share = list(_lines(groups, study, lambda group: float(group.setting.workers), _efficiency, 1.0))
        share += _bound_share(groups, study, lambda group: float(group.setting.workers))
        if any(line.x for line in share):
            heading = f"{title}: share of the ceiling" if title else "share of the ceiling"
            panels.append(Panel(heading, tuple(share), "workers", "share", x_ticks=ticks, y_from_zero=True))
    if panels:
        tops = [(max(line.y), line.label) for line in panels[0].lines if line.role is Role.ALGORITHM and line.y]
        said = f" In the first, {max(tops)[1]} comes highest with {digits(max(tops)[0])}." if tops else ""
        yield Figure(
            f"{experiment.slug}-workers",
            "Speed against the number of workers, with the ceiling (no communication), the control (stock Horovod), the "
            "floor of what hides all communication, and 95 % intervals as bands.",
            f"Speed and efficiency against workers, {len(panels)} panels of {experiment.name}.{said}",
            Lines(tuple(panels), columns=2, same_y=False),
        )


def network(experiment: Experiment, study: Study) -> Iterator[Figure]:
    families = _families(experiment, lambda setting: setting.model_copy(update={"network": ""}))
    axes = tuple(axis for axis in varying(group.setting for group in experiment.groups) if axis != "network")
    panels = []
    for setting, groups in families:
        able = [group for group in groups if rate_of(group) is not None]
        if len(able) < 2:
            continue

        def place(group: Group) -> float:
            return rate_of(group) or 0.0

        lines = [*_lines(able, study, place, _efficiency, 1.0), *_bound_share(able, study, place)]
        ticks = tuple((rate, f"{rate:g}") for rate in sorted({place(group) for group in able}))
        title = describe(setting, axes) or "all runs"
        if any(line.x for line in lines):
            panels.append(
                Panel(
                    title, tuple(lines), "Mbit/s", "share of the ceiling", x_log=True, x_ticks=ticks, y_from_zero=True
                )
            )
    if panels:
        yield Figure(
            f"{experiment.slug}-network",
            "Share of the ceiling's speed that is left, against the rate of the network, with the control and the floor of "
            "what hides all communication. 1 is a network that costs nothing.",
            f"Share of the ceiling against the network's rate, {len(panels)} panels of {experiment.name}, one line per "
            "algorithm.",
            Lines(tuple(panels), columns=2, same_y=True),
        )


def stragglers(experiment: Experiment, study: Study) -> Iterator[Figure]:
    axes = varying(group.setting for group in experiment.groups)
    calm = {
        group.setting.model_copy(update={"straggler": ""}): rate.value
        for group in experiment.groups
        if group.setting.straggler == "none" and group.ceiling is not None
        for rate in [study.of(group.ceiling).samples_per_second]
        if rate is not None
    }
    panels = []
    for group in experiment.groups:
        ideal = calm.get(group.setting.model_copy(update={"straggler": ""}))
        bars = tuple(_work(group, study, ideal))
        if bars:
            panels.append(BarPanel(describe(group.setting, axes), bars))
    if panels:
        yield Figure(
            f"{experiment.slug}-stragglers",
            "Samples per second that were used, and those that were computed and dropped. Marks: no communication under "
            "the same straggler (ceiling) and without any straggler (ideal).",
            f"Used and dropped samples per second per algorithm under {len(panels)} kinds of stragglers in "
            f"{experiment.name}.",
            Bars(tuple(panels), ("used", "dropped"), "samples/s"),
        )


def _work(group: Group, study: Study, ideal: float | None) -> Iterator[Bar]:
    ceiling = study.of(group.ceiling).samples_per_second if group.ceiling is not None else None
    marks = [Mark(Role.CEILING, ceiling.value)] if ceiling is not None else []
    marks += [Mark(Role.IDEAL, ideal)] if ideal is not None else []
    for arm in group.arms:
        found = study.of(arm)
        if arm is group.ceiling or found.samples_per_second is None:
            continue
        used = found.samples_per_second.value
        yield Bar(arm.title, (used, used / found.useful - used), tuple(marks))


def _families(experiment: Experiment, without: Callable[[Setting], Setting]) -> list[tuple[Setting, list[Group]]]:
    """Groups that differ in one axis only."""
    found: dict[Setting, list[Group]] = {}
    for group in experiment.groups:
        found.setdefault(without(group.setting), []).append(group)
    return list(found.items())


def _lines(
    groups: Sequence[Group],
    study: Study,
    place: Callable[[Group], float],
    value: Callable[[Arm, Group, Measures], Value | None],
    scale: float,
) -> Iterator[Line]:
    labels = dict.fromkeys(arm.label for group in groups for arm in group.arms)
    for label in labels:
        points: list[tuple[float, Value]] = []
        name = compared = title = ""
        for group in sorted(groups, key=place):
            for arm in group.arms:
                if arm.label == label and arm.role != "alone":
                    found = value(arm, group, study.of(arm))
                    name, compared, title = arm.name, arm.role, arm.title
                    if found is not None:
                        points.append((place(group), found))
        if not points:
            continue
        x = tuple(at for at, _ in points)
        y = tuple(found[0] * scale for _, found in points)
        role = ROLES.get(compared, Role.ALGORITHM) if label == name else Role.ALGORITHM
        shown = role.value if role is not Role.ALGORITHM else title
        # A band needs an interval everywhere; where one run says too little it would fill the panel.
        known = [(found[1], found[2]) for _, found in points]
        lows = [low * scale for low, _ in known if low is not None]
        highs = [high * scale for _, high in known if high is not None]
        whole = len(lows) == len(highs) == len(points) and all(high < 2 * at for high, at in zip(highs, y, strict=True))
        yield Line(shown, x, y, tuple(lows) if whole else None, tuple(highs) if whole else None, role, name)


def _rate(arm: Arm, group: Group, found: Measures) -> Value | None:
    rate = found.samples_per_second
    if rate is None:
        return None
    return (rate.value, rate.low, rate.high) if rate.known and rate.low > 0 else (rate.value, None, None)


def _efficiency(arm: Arm, group: Group, found: Measures) -> Value | None:
    if arm is group.ceiling:
        return (1.0, 1.0, 1.0)
    if found.of_ceiling is None:
        return None
    share = found.of_ceiling.ratio
    return (share.value, share.low, share.high) if share.known and share.low > 0 else (share.value, None, None)


def _alone(groups: Sequence[Group], study: Study) -> float | None:
    """Samples per second of one worker, as many algorithms as there are being the same there: the fastest."""
    rates = [
        rate.value
        for group in groups
        if group.setting.workers == 1
        for arm in group.arms
        for rate in [study.of(arm).samples_per_second]
        if rate is not None and arm.role != "alone"
    ]
    return max(rates, default=None)


def _bound(groups: Sequence[Group], study: Study, place: Callable[[Group], float], scale: float) -> list[Line]:
    points = []
    for group in sorted(groups, key=place):
        seconds = hidden_floor(group, study)
        if seconds is not None and group.reference is not None:
            points.append((place(group), group.reference.samples_per_step / seconds * scale))
    return _floor_line(points)


def _bound_share(groups: Sequence[Group], study: Study, place: Callable[[Group], float]) -> list[Line]:
    points = []
    for group in sorted(groups, key=place):
        seconds = hidden_floor(group, study)
        step = study.of(group.ceiling).step if group.ceiling is not None else None
        if seconds is not None and step is not None:
            points.append((place(group), step.value / seconds))
    return _floor_line(points)


def hidden_floor(group: Group, study: Study) -> float | None:
    """max(compute, wire time) of what synchronous training sends: the best that hiding alone can do."""
    floor = study.of(group.reference).floor if group.reference is not None else None
    return None if floor is None or floor.wire is None else max(floor.compute, floor.wire)


def _floor_line(points: list[tuple[float, float]]) -> list[Line]:
    if not points:
        return []
    return [Line("floor of hiding", tuple(x for x, _ in points), tuple(y for _, y in points), role=Role.FLOOR)]
