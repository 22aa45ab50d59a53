"""What happens to a run's workers while it trains, as text: `kind:key=value,key=value`.

    kill:rank=2,step=40      rank 2 is killed in its step 40, as a machine dies: no word to anyone
    leave:rank=2,step=40     the host of rank 2 is taken off the list of hosts when rank 2 is at its step 40
    join:step=40             a host with a new worker is added when rank 0 is at its step 40

Steps are those that count, from 0; ranks are those of the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from algorithms.mechanisms.suggest import unknown

Kind = Literal["kill", "leave", "join"]
KEYS: dict[Kind, tuple[str, ...]] = {"kill": ("rank", "step"), "leave": ("rank", "step"), "join": ("step",)}
LEAST_WORKERS = 2  # after the fault: of one alone nothing could be said


@dataclass(frozen=True, kw_only=True)
class Fault:
    text: str
    kind: Kind
    rank: int = 0  # where it happens; of a worker that joins: who is looked at
    step: int

    @property
    def gone(self) -> int | None:
        """Who is not there at the end."""
        return None if self.kind == "join" else self.rank

    def ever(self, workers: int) -> int:
        """How many workers there are in all, one after another."""
        return workers + (self.kind == "join")

    def staying(self, workers: int) -> tuple[int, ...]:
        """Those who are there at the end, by the rank that each began with; the one who joins comes last."""
        return tuple(number for number in range(self.ever(workers)) if number != self.gone)

    def check(self, workers: int, steps: int) -> None:
        """Refuse what cannot happen in a run of so many workers and steps that count."""
        if not 0 <= self.rank < workers:
            raise ValueError(f"faults {self.text!r}: rank = {self.rank}, must be 0 <= rank < {workers}, the workers")
        if not 0 <= self.step < steps:
            raise ValueError(f"faults {self.text!r}: step = {self.step}, must be 0 <= step < {steps}, the run's steps")
        left = len(self.staying(workers))
        if left < LEAST_WORKERS:
            raise ValueError(f"faults {self.text!r}: leaves {left} of {workers} workers, must leave {LEAST_WORKERS}")


def parse(text: str) -> Fault:
    kind, _, rest = text.partition(":")
    if kind not in KEYS:
        raise ValueError(f"faults {text!r}: {unknown('kind', kind, ('none', *KEYS))}")
    known = KEYS[kind]
    values: dict[str, int] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise ValueError(f"faults {text!r}: {part!r} is not key=value")
        if key not in known:
            raise ValueError(f"faults {text!r}: {unknown('key', key, known)}")
        if key in values:
            raise ValueError(f"faults {text!r}: {key} is given twice")
        if not value.isdecimal():
            raise ValueError(f"faults {text!r}: {key} = {value or 'nothing'}, must be a whole number >= 0")
        values[key] = int(value)
    missing = [key for key in known if key not in values]
    if missing:
        raise ValueError(f"faults {text!r}: {missing[0]} is missing, as in {_example(kind)}")
    return Fault(text=text, kind=kind, **values)


def _example(kind: Kind) -> str:
    return f"{kind}:" + ",".join(f"{key}={40 if key == 'step' else 2}" for key in KEYS[kind])
