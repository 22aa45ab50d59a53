"""The thread beside a worker's training thread that votes and carries out rounds, whatever the framework.

The training thread computes; it never takes part in a collective itself. So a straggler's helper answers for it, and a
round needs only those who are ready. A binding gives the helper a `RoundWire` and the `Work` of a round.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Protocol

from algorithms.mechanisms.deaths import cause_of_death, listen_for_deaths
from algorithms.mechanisms.quorum.ballot import Terms, Vector, Verdict, read_out, silence, spelt
from algorithms.mechanisms.quorum.member import Member
from algorithms.mechanisms.quorum.pace import HEARTBEAT, Pace
from algorithms.mechanisms.watching import Watcher


class RoundWire(Protocol):
    """What a binding can do with Horovod. Called from the helper thread only."""

    def vote(self, vector: Vector) -> Vector:
        """The sum of everyone's vectors. Vectors of one length meet vectors of the same length."""

    def abort(self) -> None:
        """Make everyone's collectives fail, because this worker cannot go on with them."""


class Work(Protocol):
    """What a binding does in a round. Called from the helper thread only."""

    def carry(self, verdict: Verdict) -> None:
        """Exchange what the verdict takes and close the round; all replicas of the centre do the same."""


class RoundsError(RuntimeError):
    """Training cannot go on, here or elsewhere."""


class Helper:
    """Runs the rounds of one worker. Everything it shares with the training thread is guarded by `changed`."""

    def __init__(
        self,
        member: Member,
        wire: RoundWire,
        work: Work,
        *,
        clock: Callable[[], float] = time.monotonic,
        late: threading.Event | None = None,
    ) -> None:
        """`late` is set while what the training thread computes could only be dropped, or training has failed."""
        self.member, self.wire, self.work, self.clock, self.late = member, wire, work, clock, late
        self.changed = threading.Condition()  # its lock is never held during a vote or a payload
        self.error: BaseException | None = None
        self.vote_seconds = 0.0
        self.votes = 0
        self.exposed_seconds = 0.0  # the training thread stood still
        self.exposed_vote_seconds = 0.0  # while votes were taken
        self.watcher: Watcher | None = None
        self.text = ""  # of this worker's own failure
        self.pace = Pace(clock)
        self.trainer = threading.current_thread()
        # Not a daemon: at the end of the program it must see the training thread's end and tell the others.
        self.thread = threading.Thread(target=self._run, name="farandole-rounds", daemon=False)

    def start(self) -> None:
        listen_for_deaths()
        self.thread.start()

    # -- called by the training thread

    def offer(self, step: int, read: int, terms: Terms) -> None:
        """Put something on offer; the helper takes it into the next vote."""
        with self.changed:
            self.changed.wait_for(lambda: not self._learning)
            self.check()
            self.member.offers(step, read, terms)
            self.changed.notify_all()

    def takes(self, read: int) -> None:
        """The training thread computes from the centre after so many rounds."""
        with self.changed:
            self.member.read = read
            self._look()

    def settled(self) -> None:
        """Wait until nothing of this worker is on offer."""
        self._stand_until(lambda: self.member.offer is None)

    def closed(self) -> None:
        """Wait until no round is under way, nor the news of a failure."""
        self._stand_until(lambda: not (self.member.carrying or self._learning))

    def _stand_until(self, done: Callable[[], bool]) -> None:
        began, voted = self.clock(), self.vote_seconds
        with self.changed:
            self.changed.wait_for(lambda: done() or self.stopped)
        stood = self.clock() - began
        self.exposed_seconds += stood
        # The helper votes or moves payloads, never both; the first of these votes may have begun before.
        self.exposed_vote_seconds += min(stood, self.vote_seconds - voted)
        self.check()

    def leave(self) -> None:
        """Offer no more; come back when everybody has left."""
        with self.changed:
            self.member.leaves()
            self.changed.notify_all()
        self.thread.join()
        self.check()

    def quit(self) -> None:
        """Offer no more and forget what is on offer, but go on serving the others' rounds. Does not wait for them."""
        with self.changed:
            self.member.forgets()
            self.member.leaves()
            self.changed.notify_all()

    def fail(self, text: str) -> None:
        """Tell everyone that training has failed here; come back when they know, or cannot be told."""
        with self.changed:
            if not self.stopped:
                self.text = text
                self.member.fails()
                self.changed.notify_all()
        self.thread.join(timeout=2 * HEARTBEAT + 3)

    def check(self) -> None:
        """Raise what has stopped the rounds, if anything has."""
        if self.error is not None:
            raise RoundsError(str(self.error)) from self.error

    @property
    def stopped(self) -> bool:
        """Whether no round will follow, and why is known."""
        return self.error is not None or (self.member.ended and not self._learning)

    @property
    def _learning(self) -> bool:
        """A vote has said that somebody failed, and the text is still on its way."""
        return self.member.failed is not None and self.error is None

    # -- the helper thread

    def _run(self) -> None:
        try:
            while not self.member.ended:
                self._wait_for_news()
                with self.changed:
                    ballot = self.member.cast()
                began = self.clock()
                total = self.wire.vote(ballot)
                seconds = self.clock() - began
                self.vote_seconds += seconds
                self.votes += 1
                if self.watcher is not None:
                    self.watcher.add("vote", self.watcher.clock() - seconds, seconds)
                with self.changed:
                    verdict = self.member.count(total)
                    self._look()
                    self.changed.notify_all()
                if verdict.failed is not None:
                    self._part(verdict.failed)
                if verdict.taken:
                    self.work.carry(verdict)
                    with self.changed:
                        self.member.close(verdict)
                        self.changed.notify_all()
                    self.pace.closed()
        except BaseException as error:
            self._stop(error)

    def _look(self) -> None:
        if self.late is None:
            return
        if self.member.futile or self.error is not None:
            self.late.set()
        else:
            self.late.clear()

    def _wait_for_news(self) -> None:
        """Sleep until this worker has something to say, or others may be waiting for its ballot."""
        with self.changed:
            if self.trainer.is_alive():
                interval = self.pace.interval(everyone=self.member.rules.everyone)
                self.changed.wait_for(lambda: self.member.has_news, timeout=interval)
                return
            if not self.member.has_news or self.member.offer is not None:
                self._abandoned()

    def _abandoned(self) -> None:
        """The training thread has ended without `finish`: with an error it failed, else it just has no more data."""
        error = cause_of_death(self.trainer)
        if error is None:
            self.member.leaves()
        else:
            self.text = "".join(traceback.format_exception(error))
            self.member.fails()

    def _part(self, failed: int) -> None:
        """Everyone learns why, and stops."""
        mine = failed == self.member.rank
        text = read_out(self.wire.vote(spelt(self.text) if mine else silence()))
        message = f"training failed on rank {failed}: {text}"
        if not mine:
            print(message, file=sys.stderr, flush=True)
        self._end(RoundsError(message))

    def _stop(self, error: BaseException) -> None:
        """Something broke in a round: the others may be waiting in the middle of it."""
        print(f"rounds failed on rank {self.member.rank}: {error}", file=sys.stderr, flush=True)
        self._end(error)
        self.wire.abort()

    def _end(self, error: BaseException) -> None:
        with self.changed:
            self.error = error
            self.member.ended = True
            self._look()
            self.changed.notify_all()
