"""Algorithms whose gradients travel every step: when steps end."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from algorithms.contract import Exchange, Finish
from suite.simulate.carrying import Carried
from suite.simulate.times import Floats, Times
from suite.simulate.workload import Workload


@dataclass(frozen=True)
class Course:
    """What a simulation leaves behind: seconds of each of the job's steps, in order."""

    steps: Floats
    period: int = 1  # steps after which it does the same again
    useful: float = 1.0  # share of the gradients that were used
    staleness: tuple[int, ...] = ()  # of those
    exchanges: float = 1.0  # of everything, per step of a worker


def alone(workload: Workload, times: Times, after: float) -> Course:
    """Every worker on its own: the job's step is as much work as a step of each."""
    seconds = times.seconds(workload.step_seconds) + after
    mean = seconds.shape[1] / (1 / seconds.mean(axis=0)).sum()
    typical = seconds.shape[1] / (1 / seconds).sum(axis=1)
    return Course(typical * (mean / typical.mean()), staleness=(0,), exchanges=0.0)


def exchange(workload: Workload, times: Times, carried: Carried, algorithm: Exchange, after: float) -> Course:
    """`after`: seconds of a step that neither computes nor travels, such as the optimizer's."""
    if not algorithm.reduces:
        return alone(workload, times, after)
    crosses = algorithm.finish is Finish.NEXT_USE
    waits = not crosses and algorithm.delay == 0
    if waits:
        steps = _together(workload, times, carried, after)
    else:
        steps = _ahead(workload, times, carried, after, delay=None if crosses else algorithm.delay)
    return Course(steps, staleness=(algorithm.delay,))


def _lands(ready: Floats, carried: Carried, free: Floats | float) -> Floats:
    """When each exchange lands: it leaves when its own is ready and agreed upon and those before it have landed.

    `ready` has an exchange in each column; `free`: when the wire is. Landing k is the latest, over j <= k, of when j was
    ready and what j to k take.
    """
    done = np.cumsum(carried.seconds)
    begins = np.maximum(ready + carried.agreement, np.asarray(free)[..., None])
    return np.asarray(done + np.maximum.accumulate(begins - (done - carried.seconds), axis=-1))


def _backward(workload: Workload) -> Floats:
    """Of every layer, seconds from the beginning of backward until it is ready."""
    return np.array(workload.ready()) - workload.forward_seconds


def _together(workload: Workload, times: Times, carried: Carried, after: float) -> Floats:
    """Everybody begins and ends a step with the others: steps know nothing of each other."""
    leads = carried.leads
    ready = np.array(workload.ready())
    distinct = sorted(set(leads))
    place = {layer: number for number, layer in enumerate(distinct)}
    at = np.stack([(times.delays + times.shares * ready[layer]).max(axis=1) for layer in distinct], axis=1)
    landed = _lands(at[:, [place[layer] for layer in leads]], carried, 0.0)[:, -1]
    return np.asarray(np.maximum(landed, times.seconds(workload.step_seconds).max(axis=1)) + after)


def _ahead(workload: Workload, times: Times, carried: Carried, after: float, delay: int | None) -> Floats:
    """Workers go on while averages travel: `delay` steps, or (None) until a layer's next use."""
    forward = np.array([layer.forward_seconds for layer in workload.layers])
    if delay is None:
        forward = forward + after * forward / max(forward.sum(), 1e-300)  # each layer is updated before it is used
    uses = np.cumsum(forward) - forward
    distinct, place = np.unique(carried.leads, return_inverse=True)
    backward = _backward(workload)[distinct]
    last = np.array(carried.last(len(workload.layers)))
    travels = last >= 0
    count = times.shares.shape[1]
    free = np.zeros(count)
    wire = 0.0
    usable = np.zeros(len(workload.layers))
    due: deque[float] = deque()
    ends = np.zeros(len(times.shares) + 1)
    for step, (delays, share) in enumerate(zip(times.delays, times.shares, strict=True), start=1):
        begun = free + delays
        if delay is None:  # held up by the layer that lands latest for its use
            held = (usable[None, :] - share[:, None] * uses[None, :]).max(axis=1)
            begun = np.maximum(begun, held)
        computed = begun + share * (forward.sum())
        ready = (computed[:, None] + share[:, None] * backward[None, :]).max(axis=0)
        landed = _lands(ready[None, place], carried, np.array([wire]))[0]
        wire = float(landed[-1])
        ended = computed + share * workload.backward_seconds
        if delay is None:
            usable = np.where(travels, landed[last], 0.0)
            free = ended
        else:
            due.append(wire)
            free = (np.maximum(ended, due.popleft()) if len(due) > delay else ended) + after
        ends[step] = free.max()
    return np.diff(ends)
