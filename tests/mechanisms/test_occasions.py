"""A route is planned for the layers that train: again when those are others, and not each time that one is left out."""

from __future__ import annotations

from collections.abc import Callable

from algorithms.mechanisms.occasions import PATIENCE, STEPS, Occasions


def planned(present: Callable[[int], list[bool] | None], steps: int = 400) -> list[int]:
    """Behind how many steps."""
    occasions = Occasions()
    found = []
    for step in range(steps):
        occasions.measures(step)
        if occasions.plans(step + 1, present(step)):
            found.append(step + 1)
    return found


def test_once_where_nothing_changes() -> None:
    assert planned(lambda step: [True, True]) == [STEPS.stop]
    assert planned(lambda step: None if step < 20 else [True]) == [STEPS.stop], "a delay tells late"


def test_again_where_a_layer_is_unfrozen_and_the_steps_before_are_measured() -> None:
    again = 50 + PATIENCE + len(STEPS)
    assert planned(lambda step: [True, step >= 50]) == [STEPS.stop, again]
    occasions = Occasions()
    measured = []
    for step in range(again):
        measured += [step] * occasions.measures(step)
        occasions.plans(step + 1, [True, step >= 50])
    assert measured == [*STEPS, *range(again - len(STEPS), again)]


def test_what_is_used_now_and_then_is_no_reason() -> None:
    assert planned(lambda step: [True, step % 3 == 0]) == [STEPS.stop]


def test_ever_more_seldom_where_layers_take_turns() -> None:
    assert len(planned(lambda step: [step // 30 % 2 == 0, True])) == 3
