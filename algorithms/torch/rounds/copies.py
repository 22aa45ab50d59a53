"""Rounds of copies: each worker's own optimizer moves its own copy, and the copies meet around the centre.

The helper computes what a worker offers, and the centre that comes of it, piece by piece while the pieces travel, so that
few scratch buffers are enough. A worker that waits has the result written into its model by the helper; one that has gone
on adopts it itself, between two of its steps.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch

from algorithms.contract import Own, Reads, Rounds, Situation
from algorithms.mechanisms.quorum.ballot import Terms, Verdict
from algorithms.mechanisms.quorum.part import part_in
from algorithms.mechanisms.quorum.replica import REBROADCAST
from algorithms.torch.driver import Attached
from algorithms.torch.rounds import options
from algorithms.torch.rounds.replica import Replica
from algorithms.torch.rounds.space import Flat, Space, Stretch
from algorithms.torch.rounds.wire import TorchWire


class CopyWork:
    """What a worker's helper does in a round of copies, and what its training thread does around it."""

    def __init__(self, algorithm: Rounds, attached: Attached, space: Space, wire: TorchWire) -> None:
        self.algorithm, self.attached, self.space, self.wire = algorithm, attached, space, wire
        self.replica = Replica(algorithm, space)
        self.anchor: Flat | None = None
        self.contribution: Flat | None = None  # of this worker, until it adopts what came of it
        self.late = algorithm.adopts_late
        self.ahead = bool(algorithm.overlap)  # it goes on before the round begins: what travels is made at once
        self.keeps_offered = self.late and algorithm.late_reads_offered
        self.given: Flat | None = None  # the copy when it was offered, where that is not what travels
        self.given_anchor: Flat | None = None
        self.whole = threading.Lock()  # held while the centre is between two rounds
        self.rounds = 0  # that the centre has seen
        self.adopted = 0  # the same when the helper last wrote into the model
        self._begin_own()

    # -- the training thread

    def begin(self) -> None:
        """Start from the model's parameters."""
        self.replica.begin()
        self._begin_own()

    def _begin_own(self) -> None:
        for piece in self.space.pieces:
            own = self.algorithm.own(self.space.read(piece))
            if own.multiplier is not None:
                raise ValueError(f"{self.algorithm.name} keeps a dual variable, which this binding does not")
            if own.anchor is not None:
                self.anchor = self.anchor or self.space.empty()
                self.anchor.put(piece, own.anchor)

    def capture(self, weight: float, *, read: int) -> Terms:
        """Offer the copy as it is. Where its worker goes on at once, what travels is made now."""
        if self.keeps_offered:
            self._keep_offered()
        if self.ahead:
            self.contribution = self.contribution or self.space.empty()
            with self.whole:
                offering = replace(self._situation(), staleness=self.rounds - read)
                for piece in self.space.pieces:
                    made = self.algorithm.offer(self._own(piece), self.replica.at(piece), offering)
                    self.contribution.put(piece, made)
        return Terms(weight=weight, rate=options.learning_rate(self.attached.optimizer))

    def _keep_offered(self) -> None:
        """What travels may tell, too, where the worker stood."""
        if not self.algorithm.offers_itself:
            self.given = self.given or self.space.empty()
        if self.anchor is not None:
            self.given_anchor = self.given_anchor or self.space.empty()
        for piece in self.space.pieces:
            if self.given is not None:
                self.given.put(piece, self.space.read(piece))
            if self.given_anchor is not None and self.anchor is not None:
                self.given_anchor.put(piece, self.anchor.at(piece))

    def _offered(self, piece: Stretch, contribution: torch.Tensor) -> Own:
        """Where the worker stood when it offered, as far as it is asked for."""
        parameters = self.given.at(piece) if self.given is not None else contribution
        anchor = self.given_anchor and self.given_anchor.at(piece)
        return Own(parameters=parameters if self.keeps_offered else None, anchor=anchor)

    def local(self) -> None:
        """The optimizer has moved the parameters: what else follows from that."""
        reads = self.algorithm.local_reads
        if reads is None:
            return
        with self.whole if Reads.CENTRE in reads else nullcontext():
            for piece in self.space.pieces:
                own = Own(parameters=None, anchor=self.anchor and self.anchor.at(piece))
                moved = self.space.read(piece)
                self._keep(piece, self.algorithm.local(own, moved, self.replica.at(piece), self._situation()))

    def adopt(self, *, late: bool) -> int:
        """Take what came of the round that took this worker's offer. How many rounds the centre had seen then."""
        if not self.late or self.contribution is None:
            return self.adopted  # by the helper
        with self.whole:
            for piece in self.space.pieces:
                own, centre, contribution = self._own(piece), self.replica.at(piece), self.contribution.at(piece)
                if not late:
                    self._keep(piece, self.algorithm.adopt(own, contribution, centre))
                    continue
                offered = self._offered(piece, contribution)
                self._keep(piece, self.algorithm.adopt_late(own, offered, contribution, centre))
            return self.rounds

    def refresh(self) -> int:
        """Take the centre as it is. How many rounds it has seen."""
        with self.whole:
            for piece in self.space.pieces:
                parameters = self.replica.at(piece).parameters
                if parameters is not None:
                    self._keep(piece, self.algorithm.own(parameters))
            return self.rounds

    def forget(self) -> None:
        """Nothing is on offer any more."""

    @property
    def bytes(self) -> int:
        flats = (self.anchor, self.contribution, self.given, self.given_anchor)
        return self.replica.bytes + sum(flat.bytes for flat in flats if flat is not None)

    # -- the helper thread

    @torch.no_grad()
    def carry(self, verdict: Verdict) -> None:
        """Add up what is offered and let the algorithm's rules move the centre and, where it waits, this worker."""
        rate = verdict.terms[verdict.leader].rate
        part = part_in(verdict, self.attached.rank, workers=self.attached.workers, rate=rate)
        if part.present and self.late:
            self.contribution = self.contribution or self.space.empty()
        if self.ahead:
            self.replica.keep("parameters")  # which the worker adopts when it comes to it

        def fill(piece: Stretch, buffer: torch.Tensor) -> tuple[Own, torch.Tensor] | None:
            if not part.present:
                buffer.zero_()
                return None
            if self.ahead and self.contribution is not None:
                buffer.copy_(self.contribution.at(piece))
                return None
            own = self._own(piece)
            contribution = self.algorithm.offer(own, self.replica.at(piece), part.offering)
            buffer.copy_(contribution)
            if self.late and self.contribution is not None:
                self.contribution.put(piece, contribution)
                return None
            return own, contribution

        def land(piece: Stretch, buffer: torch.Tensor, kept: tuple[Own, torch.Tensor] | None) -> None:
            group = self.space.groups[piece.group]
            total = buffer.to(group.device, group.dtype)
            centre = self.algorithm.close(self.replica.at(piece), total, part.closing)
            self.replica.put(piece, centre)
            self.replica.grow_average(piece, verdict.round + 1)
            if kept is not None:
                self._keep(piece, self.algorithm.adopt(*kept, centre))

        with self.whole:
            self.wire.exchange(self.space.pieces, fill, land, present=part.present)
            self.rounds = verdict.round + 1
            if part.present:
                self.adopted = self.rounds
            if self.rounds % REBROADCAST == 0:
                self.replica.take_first(self.wire)

    # -- checkpoints

    def state_dict(self) -> dict[str, Any]:
        """The replica and what this worker keeps beside its parameters."""
        names = self.attached.names
        state: dict[str, Any] = {"centre": self.replica.state_dict(names), "wire": self.wire.memories.state_dict(names)}
        if self.anchor is not None:
            state["anchor"] = self.anchor.copies(names)
        if self.ahead:  # else it offers again
            under_way = {"contribution": self.contribution, "given": self.given, "given_anchor": self.given_anchor}
            state |= {part: flat.copies(names) for part, flat in under_way.items() if flat is not None}
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        names = self.attached.names
        self.replica.load_state_dict(names, state["centre"])
        if "wire" in state:
            self.wire.memories.load_state_dict(names, state["wire"])
        if self.anchor is not None:
            self.anchor.take(names, state["anchor"])
        if "contribution" in state:
            self.contribution = self.contribution or self.space.empty()
            self.contribution.take(names, state["contribution"])
        if "given" in state:
            self.given = self.given or self.space.empty()
            self.given.take(names, state["given"])
        if "given_anchor" in state:
            self.given_anchor = self.given_anchor or self.space.empty()
            self.given_anchor.take(names, state["given_anchor"])

    def agree(self, step: int) -> None:
        """After each worker has loaded a state: go on from one centre, each at its own step."""
        self.replica.take_first(self.wire)

    def _own(self, piece: Stretch) -> Own:
        return Own(parameters=self.space.read(piece), anchor=self.anchor and self.anchor.at(piece))

    def _keep(self, piece: Stretch, own: Own) -> None:
        self.space.write(piece, own.parameters)
        if self.anchor is not None:
            self.anchor.put(piece, own.anchor)

    def _situation(self) -> Situation:
        rate = options.learning_rate(self.attached.optimizer)
        return Situation(workers=self.attached.workers, round=self.rounds, learning_rate=rate)
