"""Rounds of gradients: workers offer gradients, the user's optimizer moves the centre, workers take the centre.

While a worker waits for its round its gradients stay where backward has put them. One that goes on at once hands them over
and lets the next backward make new ones, so that there is nothing to copy.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from algorithms.contract import Own, Rounds
from algorithms.mechanisms.quorum.ballot import Terms, Verdict
from algorithms.mechanisms.quorum.gaps import Gaps
from algorithms.mechanisms.quorum.part import part_in
from algorithms.mechanisms.quorum.replica import REBROADCAST
from algorithms.torch import collectives
from algorithms.torch.driver import Attached
from algorithms.torch.exchange import travelling
from algorithms.torch.memory import like, size_in_bytes
from algorithms.torch.rounds import options
from algorithms.torch.rounds.outside import Outside
from algorithms.torch.rounds.replica import Replica
from algorithms.torch.rounds.shadow import Shadow
from algorithms.torch.rounds.space import Space, Stretch, laid_out
from algorithms.torch.rounds.wire import TorchWire


class GradientWork:
    """What a worker's helper does in a round of gradients, and what its training thread does around it."""

    def __init__(self, algorithm: Rounds, attached: Attached, space: Space, wire: TorchWire) -> None:
        self.algorithm, self.attached, self.space, self.wire = algorithm, attached, space, wire
        self.replica = Replica(algorithm, space)
        if "parameters" not in self.replica.kept:
            raise TypeError(f"{algorithm.name} has its optimizer at the centre but keeps no centre")
        self.total = space.empty()
        for array in self.total:
            array.zero_()
        centre = self.replica.kept["parameters"]
        self.shadow = Shadow(attached.optimizer, attached.parameters, centre.views(), self.total.views())
        self.outside = Outside(algorithm.name, attached)
        self.whole = threading.Lock()  # held while the centre is between two rounds
        self.rounds = 0  # that the centre has seen
        self.gradients: Sequence[torch.Tensor | None] = ()
        self.norm: float | None = None
        self.gaps = Gaps(len(attached.parameters), wire.vote)
        self.options_mark = -1  # of the options in force; none yet, so the first round agrees on some
        self.options_step = -1  # of the worker whose options are in force
        self.places = options.places(self.shadow.optimizer)
        collectives.same(self.places, "options of the optimizer", f"{attached.prefix}options", attached.among)
        self.own_options = options.read(attached.optimizer, self.places)  # when this worker offered

    # -- the training thread

    def begin(self) -> None:
        """Start from the model's parameters."""
        self.shadow.link()
        with torch.no_grad():
            self.replica.begin()
        self.outside.knows()

    def capture(self, weight: float, *, read: int) -> Terms:
        """Offer the gradients of this step."""
        self.shadow.check_link()
        gradients: list[torch.Tensor | None] = []
        for parameter in self.attached.parameters:
            gradient = parameter.grad if weight else None
            if gradient is not None and self.algorithm.waits:
                # It keeps them: what the user looks at after the step is still there.
                gradient = parameter.grad = like(parameter, gradient).detach()
            elif gradient is not None:
                del gradient
                gradient, shared = travelling.take(parameter)
                gradient = gradient.clone() if shared else gradient.detach()
                gradient = like(parameter, gradient)
            gradients.append(gradient)
        self.gradients = gradients
        self.norm = self._norm(gradients) if self.algorithm.needs_norm else None
        self.own_options = options.read(self.attached.optimizer, self.places)
        missing = self.gaps.mark([gradient is not None for gradient in gradients]) if weight else 0
        return Terms(weight=weight, mark=options.mark(self.own_options), missing=missing)

    def adopt(self, *, late: bool) -> int:
        """Take what came of the round that took this worker's offer. How many rounds the centre has seen."""
        return self.refresh()

    def refresh(self) -> int:
        """Take the centre as it is. How many rounds it has seen."""
        self.outside.looks()
        with self.whole:
            for piece in self.space.pieces:
                self.space.write(piece, self.algorithm.own(self.replica.at(piece).parameters).parameters)
            rounds = self.rounds
        self.outside.knows()
        return rounds

    def forget(self) -> None:
        """Nothing is on offer any more."""
        self.gradients = ()

    @property
    def bytes(self) -> int:
        taken = 0 if self.algorithm.waits else size_in_bytes(self.gradients)
        return self.replica.bytes + self.total.bytes + taken

    # -- the helper thread

    @torch.no_grad()
    def carry(self, verdict: Verdict) -> None:
        """Add up the gradients taken, and let the optimizer move the centre."""
        self._agree_on_options(verdict)
        self.shadow.has(self.gaps.present(verdict, self.attached.rank))
        part = part_in(verdict, self.attached.rank, workers=self.attached.workers, rate=self._rate())

        def fill(piece: Stretch, buffer: torch.Tensor) -> None:
            if not part.weighs:
                buffer.zero_()
                return
            group = self.space.groups[piece.group]
            gradient = torch.empty(piece.cut.size, dtype=group.dtype, device=group.device)
            own = Own(
                parameters=None,
                gradient=self.space.gather(piece, self.gradients, gradient),
                gradient_norm=self.norm,
            )
            offer = self.algorithm.offer(own, self.replica.at(piece), part.offering)
            buffer.copy_(offer if part.share == 1.0 else offer * part.share)

        def land(piece: Stretch, buffer: torch.Tensor, kept: None) -> None:
            self.total.put(piece, self.algorithm.combine(buffer, part.closing))

        self.wire.exchange(self.space.pieces, fill, land, present=part.weighs)
        with self.whole:
            if part.present:
                self.gradients = ()
            if any(term.weight for term in verdict.terms):  # else nobody had a gradient
                self._clip()
                self.shadow.step()
            for piece in self.space.pieces:
                self.replica.grow_average(piece, verdict.round + 1)
            self.rounds = verdict.round + 1
            if self.rounds % REBROADCAST == 0:
                self._take_first()

    # -- checkpoints; the optimizer's state is saved with the user's optimizer

    def state_dict(self) -> dict[str, Any]:
        return {
            "centre": self.replica.state_dict(self.attached.names),
            "wire": self.wire.memories.state_dict(self.attached.names),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        options.read(self.attached.optimizer, self.places)  # if it raises, then before others wait for it
        self.replica.load_state_dict(self.attached.names, state["centre"])
        if "wire" in state:
            self.wire.memories.load_state_dict(self.attached.names, state["wire"])

    def agree(self, step: int) -> None:
        """After each worker has loaded a state: go on from one centre with one optimizer, rank 0's, at this step."""
        self.shadow.link()
        held = [(number, key, tuple(value.shape)) for number, key, value in self._remembered()]
        collectives.same(
            held, "what the loaded optimizers remember", f"{self.attached.prefix}loaded", self.attached.among
        )
        self._take_first()
        leads = self.attached.rank == 0
        self._share_options(options.read(self.attached.optimizer, self.places) if leads else None)
        self.options_step = step
        self.gaps.forget()
        self.outside.knows()

    def _take_first(self) -> None:
        """Rank 0's centre, and what its optimizer remembers: one without the other would go apart again."""
        self.replica.take_first(self.wire)
        for number, (_, _, tensor) in enumerate(self._remembered()):
            self.wire.broadcast_tensor(tensor, f"state.{number}")

    def _remembered(self) -> list[tuple[int, str, torch.Tensor]]:
        """What the optimizer keeps of each parameter that has had a gradient."""
        return [
            (number, key, value)
            for number, parameter in enumerate(self.attached.parameters)
            for key, value in sorted(self.attached.optimizer.state[parameter].items())
            if isinstance(value, torch.Tensor)
        ]

    def _agree_on_options(self, verdict: Verdict) -> None:
        """Step with the options of the contributor that has come furthest."""
        offer, terms = verdict.taken[verdict.leader], verdict.terms[verdict.leader]
        if offer.step < self.options_step:
            return
        self.options_step = offer.step
        if terms.mark != self.options_mark:
            self._share_options(self.own_options if offer.worker == self.attached.rank else None)

    def _share_options(self, leaders: NDArray[np.float64] | None) -> None:
        """Everyone's replica steps with the leader's options from now on. None: this worker does not lead."""
        sent = np.zeros(options.NUMBERS * len(self.places)) if leaders is None else leaders
        shared = self.wire.vote(sent.view(np.int64)).view(np.float64)  # bits, which the others' zeros leave alone
        self.options_mark = options.mark(shared)
        self.shadow.set_options(shared)

    def _rate(self) -> float:
        return options.learning_rate(self.shadow.optimizer)

    def _clip(self) -> None:
        if self.attached.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(list(self.shadow.replicas.values()), self.attached.clip_norm)

    def _norm(self, gradients: Sequence[torch.Tensor | None]) -> float:
        norms = [
            float(torch.linalg.vector_norm(laid_out(g), dtype=torch.promote_types(g.dtype, torch.float32)))
            for g in gradients
            if g is not None and g.numel()
        ]
        return math.hypot(*norms)
