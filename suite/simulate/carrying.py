"""How a step's tensors are carried: the exchanges one after the other, which layers are in each, and how many bytes.

The plan is made once, from the times of an undisturbed worker, as the bindings and Horovod make theirs; what then delays a
worker delays the exchanges, not their order.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from algorithms.contract import Exchange, Finish, Moment
from algorithms.mechanisms import routes
from algorithms.mechanisms.plan import Route, Timing
from algorithms.mechanisms.suggest import unknown
from algorithms.wire import NONE
from suite.simulate.machines import Costs, Machines
from suite.simulate.times import Floats
from suite.simulate.wires import Wire
from suite.simulate.workload import ITEM, Workload

PLANS = ("own", "tensors", "merged", "whole")
ROUND_PIECE = 4 << 20  # bytes that a round's payload is cut into
FUSED = 1.5  # pieces in an exchange: of three under way, one travels, and the two that queue are fused, and one again


@dataclass(frozen=True)
class Sent:
    """One exchange: it leaves when the gradients of all of `layers` are ready."""

    layers: tuple[int, ...]
    bytes: float
    exchanges: int = 1  # one after the other, where the wire format needs several
    votes: int = 0  # small ones that the format needs ahead of those
    size: int = 0  # elements, before they are coded: windows count these

    def seconds(self, costs: Costs) -> float:
        return self.votes * costs.vote + self.exchanges * costs.exchange + self.bytes * costs.per_byte


@dataclass(frozen=True)
class Carried:
    """All exchanges of a step in order, and what each takes."""

    sent: tuple[Sent, ...]
    seconds: Floats  # of each exchange
    agreement: float = 0.0  # from an exchange's being ready until it may leave
    together: bool = False  # nothing leaves before backward has ended

    @property
    def leads(self) -> list[int]:
        """Of each exchange the layer that it waits for longest: the foremost, as backward goes from behind."""
        return [0 if self.together else min(one.layers) for one in self.sent]

    def last(self, layers: int) -> list[int]:
        """Of each layer the exchange that brings the rest of it; -1: nothing of it travels."""
        found = [-1] * layers
        for place, one in enumerate(self.sent):
            for layer in one.layers:
                found[layer] = place
        return found

    @property
    def total(self) -> float:
        """On the wire, if nothing has to be waited for."""
        return float(self.seconds.sum())


def carry(workload: Workload, machines: Machines, algorithm: Exchange, wire: Wire, plan: str | None) -> Carried:
    """`plan`: in place of what the algorithm does itself, "tensors" (each on its own, as soon as it is ready), "merged"
    (neighbours together where all are there sooner for it) or "whole".
    """
    if plan is not None and plan not in PLANS:
        raise ValueError(unknown("plan", plan, PLANS))
    return _carry(
        workload, machines.costs, machines.cycle_ms / 1000, machines.fusion_mb * (1 << 20), algorithm, wire, plan
    )


@functools.lru_cache(maxsize=512)
def _carry(
    workload: Workload,
    costs: Costs,
    cycle: float,
    largest: float,
    algorithm: Exchange,
    wire: Wire,
    plan: str | None,
) -> Carried:
    """`cycle`, `largest`: seconds of Horovod's cycle, bytes of its fusion buffer."""
    together = plan == "whole" or algorithm.start is Moment.BACKWARD_ENDED
    if plan == "tensors":
        sent = _tensors(workload, wire)
    elif plan == "merged":
        sent = _merged(workload, wire, costs)
    elif together and plan is None and wire.form != NONE:
        sent = _in_turn(workload, wire, costs)
    elif together:
        sent = _at_once(_tensors(workload, wire)[::-1], largest)
    elif singly(algorithm):
        sent = _fused(workload, wire, costs, cycle, largest)
    else:
        sent = _planned(workload, wire, costs, algorithm)
    seconds = np.array([one.seconds(costs) for one in sent])
    return Carried(tuple(sent), seconds, agreement=costs.agreement, together=together)


def singly(algorithm: Exchange) -> bool:
    """Whether each gradient is handed to Horovod on its own, as soon as it is there."""
    return algorithm.name == "stock_horovod"


def round_seconds(workload: Workload, machines: Machines, wire: Wire) -> float:
    """What every worker holds, exchanged piece by piece while nobody computes on it.

    Pieces are cut before they are coded. Of each, what a format needs first leaves while others are under way; what
    follows from it leaves alone.
    """
    payload = sum(wire.bytes(shape) for _, shape in workload.tensors)
    units = [wire.units(shape) for _, shape in workload.tensors]
    if any(units):  # tensor by tensor
        pieces = sum(len(unit or (1,)) for unit in units)
    else:
        pieces = max(1, math.ceil(workload.parameter_bytes / ROUND_PIECE))
    costs = machines.costs
    first, *further = [costs.vote] * wire.votes + [costs.exchange] * wire.rounds
    return math.ceil(pieces / FUSED) * first + pieces * sum(further) + payload * costs.per_byte


def _tensors(workload: Workload, wire: Wire) -> list[Sent]:
    """The last first, as backward makes them."""
    backwards = reversed(workload.tensors)
    return [Sent((layer,), wire.bytes(shape), wire.rounds, wire.votes, math.prod(shape)) for layer, shape in backwards]


def _join(parts: Sequence[Sent]) -> Sent:
    layers = tuple(sorted({layer for part in parts for layer in part.layers}))
    return Sent(
        layers,
        sum(part.bytes for part in parts),
        max(part.exchanges for part in parts),
        max(part.votes for part in parts),
        sum(part.size for part in parts),
    )


def _at_once(parts: Sequence[Sent], largest: float) -> list[Sent]:
    """Everything is ready: Horovod fills its fusion buffer again and again."""
    groups: list[list[Sent]] = []
    held = math.inf
    for part in parts:
        if held + part.bytes > largest:
            groups.append([])
            held = 0.0
        groups[-1].append(part)
        held += part.bytes
    return [_join(group) for group in groups]


def _fused(workload: Workload, wire: Wire, costs: Costs, cycle: float, largest: float) -> list[Sent]:
    """Stock Horovod: what has become ready while the wire was busy, or within a cycle, leaves together."""
    ready = workload.ready()
    waiting = _tensors(workload, wire)
    sent: list[Sent] = []
    free = 0.0
    while waiting:
        until = max(free, ready[waiting[0].layers[0]] + cycle + costs.agreement)
        there = [part for part in waiting if ready[part.layers[0]] <= until]
        group = _at_once(there, largest)[0]
        taken = 0.0
        count = 0
        while count < len(there) and (count == 0 or taken + there[count].bytes <= group.bytes * (1 + 1e-12)):
            taken += there[count].bytes
            count += 1
        joined = _join(waiting[:count])
        free = max(free, ready[min(joined.layers)] + costs.agreement) + joined.seconds(costs)
        sent.append(joined)
        waiting = waiting[count:]
    return sent


def _merged(workload: Workload, wire: Wire, costs: Costs) -> list[Sent]:
    """Neighbours together so that the last lands as early as it can: dynamic programming over where to cut."""
    parts, ready = _tensors(workload, wire), workload.ready()
    starts = [ready[part.layers[0]] for part in parts]
    sizes = np.concatenate([[0.0], np.cumsum([part.bytes for part in parts])])
    lands = np.zeros(len(parts) + 1)
    cut = [0] * (len(parts) + 1)
    for end in range(1, len(parts) + 1):
        begins = np.maximum(lands[:end], starts[end - 1])
        found = (
            begins
            + wire.votes * costs.vote
            + wire.rounds * costs.exchange
            + (sizes[end] - sizes[:end]) * costs.per_byte
        )
        cut[end] = int(np.argmin(found))
        lands[end] = found[cut[end]]
    groups: list[Sent] = []
    end = len(parts)
    while end:
        groups.append(_join(parts[cut[end] : end]))
        end = cut[end]
    return groups[::-1]


def _planned(workload: Workload, wire: Wire, costs: Costs, algorithm: Exchange) -> list[Sent]:
    """The plan that the bindings make of the first steps; what queues for the wire is fused by Horovod."""
    layer_of = [layer for layer, _ in workload.tensors]
    sizes, freight = _freight(workload, wire)
    ready, used, total = workload.ready(), workload.needed(), workload.step_seconds
    by_need = algorithm.finish is Finish.NEXT_USE
    deadlines = [total + used[layer] if by_need else total * (1 + algorithm.delay) for layer in layer_of]
    timings = [
        Timing(ready=ready[layer], needed=deadline if by_need else ready[layer])
        for layer, deadline in zip(layer_of, deadlines, strict=True)
    ]
    kinds = [0] * len(sizes)
    tariff = routes.Tariff(costs.exchange, costs.per_byte * ITEM, costs.agreement)
    route = routes.planned(sizes, timings, deadlines, kinds, tariff, freight, by_need=by_need)
    return _queued(_bundles(route, workload, wire), ready, costs, route.window)


def _in_turn(workload: Workload, wire: Wire, costs: Costs) -> list[Sent]:
    """Backward has ended: one piece is coded while others travel, as the PyTorch binding does it. TensorFlow's hands over
    everything at once."""
    route = routes.whole(*_freight(workload, wire))
    return _queued(_bundles(route, workload, wire), [0.0] * len(workload.layers), costs, route.window)


def _freight(workload: Workload, wire: Wire) -> tuple[list[int], routes.Freight]:
    """What the bindings tell a route of the tensors: elements, and how a format takes them."""
    shapes = [shape for _, shape in workload.tensors]
    ratio = sum(map(wire.bytes, shapes)) / workload.parameter_bytes
    return [math.prod(shape) for shape in shapes], routes.Freight(ratio, tuple(map(wire.units, shapes)))


def _bundles(route: Route, workload: Workload, wire: Wire) -> list[Sent]:
    layer_of = [layer for layer, _ in workload.tensors]
    bytes_of = [wire.bytes(shape) / math.prod(shape) for _, shape in workload.tensors]  # each element
    return [
        Sent(
            tuple(sorted({layer_of[piece.tensor] for piece in bundle})),
            sum(piece.size * bytes_of[piece.tensor] for piece in bundle),
            wire.rounds,
            wire.votes,
            sum(piece.size for piece in bundle),
        )
        for bundle in route.bundles
    ]


def _queued(bundles: Sequence[Sent], ready: Sequence[float], costs: Costs, window: int) -> list[Sent]:
    """A helper submits bundles up to a window, one after the other; Horovod fuses those that came while it was busy."""
    sent: list[Sent] = []
    coming = deque(bundles)
    queue: list[Sent] = []
    free = 0.0
    while coming or queue:
        if not queue:
            free = max(free, ready[min(coming[0].layers)] + costs.agreement)
            queue = _submitted(coming, ready, free, window)
        group = _join(queue)
        sent.append(group)
        free += group.seconds(costs)
        queue = _submitted(coming, ready, free, window - group.size)
    return sent


def _submitted(coming: deque[Sent], ready: Sequence[float], until: float, room: int) -> list[Sent]:
    """What a helper has submitted until then; the first goes however large it is if nothing else is on the wire."""
    taken: list[Sent] = []
    alone = room > 0
    while coming and ready[min(coming[0].layers)] <= until and (coming[0].size <= room or (alone and not taken)):
        room -= coming[0].size
        taken.append(coming.popleft())
    return taken
