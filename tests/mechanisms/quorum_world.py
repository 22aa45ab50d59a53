"""Workers that take part in rounds without threads: every interleaving is a choice of the test.

A vote has four moments between which a worker's training side may act: before it casts, before the vote is counted, before
the round is closed, and after. (After one vote is before the next.)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from algorithms.contract import Rounds
from algorithms.mechanisms.quorum.ballot import Presence, Verdict
from algorithms.mechanisms.quorum.member import Member
from algorithms.mechanisms.quorum.record import Contribution
from algorithms.mechanisms.quorum.rules import Rules, rules


@dataclass(frozen=True)
class Trainer:
    """The training side of one worker, with so many steps to take."""

    goal: int
    step: int = 0
    read: int = 0
    made: int = 0
    waiting: bool = False  # for what it has offered
    gone: bool = False


@dataclass
class World:
    """All workers between two votes."""

    algorithm: Rounds
    goals: tuple[int, ...]
    members: list[Member] = field(init=False)
    trainers: list[Trainer] = field(init=False)
    history: list[tuple[Contribution, ...]] = field(default_factory=list)
    doomed: set[int] = field(default_factory=set)  # whose offer was made although it was known to be futile

    def __post_init__(self) -> None:
        self.rules: Rules = rules(self.algorithm, len(self.goals))
        self.members = [Member(rank=rank, rules=self.rules) for rank in range(len(self.goals))]
        self.trainers = [Trainer(goal) for goal in self.goals]

    # -- what a training side can do

    def can_act(self, rank: int) -> bool:
        trainer, member = self.trainers[rank], self.members[rank]
        if trainer.gone or trainer.waiting or member.ended:
            return False
        return member.offer is None or trainer.step >= trainer.goal or member.over  # one offer at a time; else leave

    def act(self, rank: int) -> None:
        """Finish a step and offer what came of it, or leave where there is none left."""
        trainer, member = self.trainers[rank], self.members[rank]
        if trainer.step >= trainer.goal or member.over:
            member.leaves()
            self.trainers[rank] = replace(trainer, gone=True)
            return
        if member.futile:
            self.doomed.add(rank)
        member.offers(trainer.step, trainer.read)
        after = replace(trainer, made=trainer.made + 1)
        if self.algorithm.waits:
            after = replace(after, waiting=True)
        else:
            after = replace(after, read=member.round, step=trainer.step + 1)
            member.read = member.round
        self.trainers[rank] = after

    def fail(self, rank: int) -> None:
        self.members[rank].fails()
        self.trainers[rank] = replace(self.trainers[rank], gone=True)

    def _wake(self) -> None:
        """Training sides whose offer has been taken or dropped go on."""
        for rank, (trainer, member) in enumerate(zip(self.trainers, self.members, strict=True)):
            if trainer.waiting and member.offer is None:
                step = member.round if self.algorithm.tagged else trainer.step + 1
                self.trainers[rank] = replace(trainer, waiting=False, read=member.round, step=step)
                member.read = member.round

    # -- a vote

    def vote(self, acts: dict[int, list[int]]) -> Verdict:
        """One vote; `acts[moment]` are the ranks whose training side acts at that moment, if it can."""

        def moment(number: int) -> None:
            for rank in acts.get(number, ()):
                if self.can_act(rank):
                    self.act(rank)

        blocked = not any(self.can_act(rank) for rank in range(len(self.members)))
        moment(0)
        standing = {member.rank: member.offer for member in self.members if member.offer is not None}
        total = sum(member.cast() for member in self.members)
        moment(1)
        verdicts = [member.count(total) for member in self.members]  # type: ignore[arg-type]
        verdict = verdicts[0]
        assert all(other == verdict for other in verdicts), "all workers conclude the same"
        self._check(verdict, standing, blocked)
        if self.algorithm.waits:
            self._wake_dropped(verdict)
        moment(2)
        if verdict.taken:
            for member in self.members:
                member.close(verdict)
            self.history.append(verdict.taken)
        self._wake()
        self._check_ledger()
        return verdict

    def _wake_dropped(self, verdict: Verdict) -> None:
        for offer in verdict.dropped:
            trainer, member = self.trainers[offer.worker], self.members[offer.worker]
            step = member.round if self.algorithm.tagged else trainer.step + 1
            self.trainers[offer.worker] = replace(trainer, waiting=False, read=member.round, step=step)
            member.read = member.round

    def _check(self, verdict: Verdict, standing: dict[int, Contribution], blocked: bool) -> None:
        for offer in (*verdict.taken, *verdict.dropped):
            assert standing[offer.worker] == offer, "what is taken or dropped was on offer, as it is"
        assert len({offer.worker for offer in (*verdict.taken, *verdict.dropped)}) == len(
            (*verdict.taken, *verdict.dropped)
        ), "each offer once"
        assert len(verdict.taken) <= self.rules.limit
        for rank in self.doomed & standing.keys():
            assert verdict.drops(rank) or verdict.failed is not None, "what is futile never counts"
            self.doomed.discard(rank)
        for offer in verdict.taken:
            assert self.algorithm.accept(verdict.round - offer.read)
        if verdict.taken:
            enough = sum(m.standing is Presence.TRAINING or m.rank in standing for m in self.members)
            assert len(verdict.taken) >= min(self.rules.quorum, enough)
        if verdict.over and verdict.failed is None:
            assert set(standing) == {offer.worker for offer in verdict.dropped}, "nothing stays when training is over"
        if blocked:
            assert verdict.taken or verdict.dropped or verdict.ended, "all wait and nothing happens: deadlock"

    def _check_ledger(self) -> None:
        assert len({(m.round, m.over, m.ended, m.failed) for m in self.members}) == 1, "replicas agree"
        for trainer, member in zip(self.trainers, self.members, strict=True):
            on_offer = member.offer is not None
            assert trainer.made == member.used + member.drops + on_offer, "no contribution is lost or counted twice"

    @property
    def ended(self) -> bool:
        return self.members[0].ended

    # -- for searches

    def snapshot(self) -> tuple[object, ...]:
        """All that the future depends on."""
        return (
            self.members[0].round,
            tuple((m.standing, m.offer, m.over, m.ended) for m in self.members),
            tuple(replace(trainer, made=0) for trainer in self.trainers),
        )

    def copy(self) -> World:
        twin = World(self.algorithm, self.goals)
        twin.members = [replace(member, staleness=dict(member.staleness)) for member in self.members]
        twin.trainers = list(self.trainers)
        twin.doomed = set(self.doomed)
        return twin
