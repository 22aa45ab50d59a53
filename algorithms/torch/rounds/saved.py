"""What one worker hands on: to a checkpoint that it will go on from, and to a job with other workers than before."""

from __future__ import annotations

import copy
from typing import Any

import torch

from algorithms.contract import Rounds
from algorithms.life import Standing
from algorithms.mechanisms.elastic.life import wire_state
from algorithms.mechanisms.quorum.worker import Worker
from algorithms.torch import collectives
from algorithms.torch.driver import Attached
from algorithms.torch.rounds.copies import CopyWork
from algorithms.torch.rounds.gradients import GradientWork
from algorithms.torch.rounds.space import laid_out

UNDER_WAY = ("contribution", "given", "given_anchor")  # of the state of work: of a round that was not adopted


class Saved:
    """Takes and gives back a worker's state while no round of its own is under way."""

    def __init__(self, algorithm: Rounds, attached: Attached, worker: Worker, work: GradientWork | CopyWork) -> None:
        self.algorithm, self.attached, self.worker, self.work = algorithm, attached, worker, work

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The user's optimizer's, and the rest."""
        standing = self.worker.life.standing
        with torch.no_grad(), self.work.whole:
            theirs = self.attached.optimizer.state_dict()
            if isinstance(self.work, GradientWork):
                theirs = copy.deepcopy(theirs)  # the helper goes on stepping it
            return theirs, {
                "algorithm": self.algorithm.name,
                "step": standing.step,
                "read": standing.read,
                "due": standing.due if self.algorithm.overlap else None,
                "rounds": self.work.rounds,
                "work": self.work.state_dict(),
            }

    def load(self, state: dict[str, Any]) -> None:
        """On every rank: the rounds under way end for all."""
        if state.get("algorithm") != self.algorithm.name:
            raise ValueError(f"the saved state is one of {state.get('algorithm')!r}, not of {self.algorithm.name!r}")
        helper = self.worker.helper
        if helper is not None:
            helper.quit()
            helper.thread.join()
        with torch.no_grad():
            self.work.load_state_dict(state["work"])
        self.work.rounds = state["rounds"]
        self.worker.resume(state["rounds"], Standing(step=state["step"], read=state["read"], due=state["due"]))
        self.work.forget()

    def go_on(self, lead: dict[str, Any], own: dict[str, Any] | None) -> None:
        """From rank 0's state and this worker's own. None: it is new."""
        work = {key: kept for key, kept in lead["work"].items() if key not in UNDER_WAY}
        work["wire"] = wire_state(work["wire"], own and own["work"]["wire"])
        if own is not None and "anchor" in work:
            work["anchor"] = own["work"]["anchor"]
        self.load({**lead, "due": None, "work": work})
        if not isinstance(self.work, CopyWork):
            return  # parameters are the centre's, which is rank 0's
        with torch.no_grad():
            if "parameters" not in self.work.replica.kept:
                self._begin_at_mean(new=own is None)
            elif own is None or (self.algorithm.overlap and self.work.anchor is not None):
                # What has travelled is in the centre: a worker that had not adopted it would offer it once more.
                self.work.refresh()

    def _begin_at_mean(self, *, new: bool) -> None:
        """Without a centre, newcomers begin where the others' next round would."""
        name = f"{self.attached.prefix}newcomers"
        stayed = int(collectives.total(torch.tensor([not new], dtype=torch.int32), name, self.attached.among))
        if stayed == self.attached.workers:
            return
        for number, parameter in enumerate(self.attached.parameters):
            flat = laid_out(parameter)
            share = flat.to("cpu", torch.float64) * (0.0 if new else 1.0 / stayed)
            total = collectives.total(share, f"{name}.{number}", self.attached.among)
            if new:
                flat.copy_(total)
