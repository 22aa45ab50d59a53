"""What a kind of cluster says of itself: what may be asked of it, what that is called, and how it is opened.

A kind is a subclass of `Network` beside its cluster, and its name in `suite.cluster.kinds`. Experiment files write its
fields, a run's specification holds them resolved, records keep them.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from pydantic import AliasChoices, Field, ValidationInfo

from suite.cluster.contract import Cluster
from suite.record.part import Kind, NonNegative, Part, Positive, PositiveNumber, Share

RANKS = ("suite.rank.trace", "suite.rank.sources", "suite.data.contents", "suite.training.loop")


class Network(Part):
    """Where the ranks run and what joins them.

    A kind takes the keys that its own class declares. Those declared here may be asked of every network; they are part of
    every run's identity where they are not None.
    """

    evidence: ClassVar[Kind] = "measured"  # what its runs are
    worker: ClassVar[str] = "suite.rank.worker"  # the module that a rank runs, or one process for all of them
    # What it imports, by framework; importing any of this neither starts threads nor touches a device. PyTorch imports
    # `torch._dynamo` at its first optimizer.
    imported: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "torch": ("suite.rank.torch_side", "torch._dynamo", "algorithms.torch", *RANKS),
        "tensorflow": ("suite.rank.tensorflow_side", "algorithms.tensorflow", *RANKS),
    }
    here: ClassVar[bool] = True  # all ranks share the cores of this machine
    exists: ClassVar[bool] = True  # somewhere where runs can be made, and be calibrated on
    wired: ClassVar[bool] = True  # what ranks send leaves their host
    elastic: ClassVar[bool] = False  # a run may lose and gain hosts
    sign: ClassVar[str | None] = None  # the key that tells the kind in a file that does not name it
    owns: ClassVar[str | None] = None  # what is said of its keys where another kind is given them
    lacks: ClassVar[Mapping[str, str]] = {}  # what is said of others' keys that it could be thought to take

    kind: str
    label: str | None = Field(
        default=None, exclude=True, description="what an experiment calls it; no part of what it is"
    )
    hosts: Positive | None = None
    rate_mbit: PositiveNumber | None = None
    delay_ms: NonNegative = 0.0
    loss: Share = 0.0
    file: str | None = None
    compute_seconds: PositiveNumber | None = None

    @classmethod
    def takes(cls, *, written: bool = False) -> set[str]:
        """The keys of its table; those that people write, or with those of records."""
        own = {name: cls.model_fields[name] for name in inspect.get_annotations(cls) if name in cls.model_fields}
        aliases = {name: field.validation_alias for name, field in own.items()}
        spelt = {str(other.choices[0]) if isinstance(other, AliasChoices) else name for name, other in aliases.items()}
        return spelt - {"kind"} | {"name", "label"} if written else spelt | own.keys() | {"label"}

    @classmethod
    def spelled_out(cls, table: dict[str, Any]) -> dict[str, Any]:
        """The table that a short form of an experiment file stands for."""
        return table

    def resolved(self, workers: int) -> Self:
        """As one run has it, but for what depends on what it computes (`timed`)."""
        return self.model_copy(update={"label": None})

    def timed(self, step_seconds: Callable[[], float]) -> Self:
        """With what a step of the run computes for, if that is left open."""
        return self

    def check(self, workers: int) -> None:
        """ValueError if a run of so many workers cannot be meant."""
        if self.hosts is not None and workers % self.hosts:
            raise ValueError(f"workers = {workers}: must be a multiple of the network's {self.hosts} hosts")

    def check_room(self, workers: int) -> None:
        """ValueError if its hosts do not take so many workers. Whether they answer is not asked."""
        Network.check(self, workers)

    @abstractmethod
    def describe(self, workers: int) -> str:
        """What people call it where the experiment has no label for it."""

    @abstractmethod
    def open(self, workers: int) -> Cluster:
        """The cluster, not entered yet."""


def written(info: ValidationInfo) -> bool:
    """Whether what is validated comes from an experiment file of here and now, whose files have to be there."""
    return bool(info.context)
