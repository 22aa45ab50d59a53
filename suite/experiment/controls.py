"""What stands beside the algorithms in an experiment without being one: the framework's own ways, for comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from algorithms.mechanisms.validation import real


@dataclass(frozen=True, kw_only=True)
class Bare:
    """The framework's own optimizer in its own loop, without Horovod and without a wrapper. One worker only."""

    name: ClassVar[str] = "bare"
    role: ClassVar[Literal["alone"]] = "alone"
    silent: ClassVar[bool] = True
    hides: ClassVar[bool] = True

    def check(self, workers: int) -> None:
        if workers != 1:
            raise ValueError(
                f"bare runs on 1 worker, not on {workers}: without a wrapper nobody would exchange anything"
            )


@dataclass(frozen=True, kw_only=True)
class TorchDDP:
    """PyTorch's DistributedDataParallel over Gloo. `bucket_mb` is its bucket_cap_mb, 25 by PyTorch's default."""

    name: ClassVar[str] = "torch_ddp"
    role: ClassVar[Literal["peer"]] = "peer"
    silent: ClassVar[bool] = False
    hides: ClassVar[bool] = True
    bucket_mb: float = 25.0

    def __post_init__(self) -> None:
        real("bucket_mb", self.bucket_mb, 0, low_allowed=False)

    def check(self, workers: int) -> None:
        """Any number of workers will do."""


Control = Bare | TorchDDP

CONTROLS: dict[str, type[Bare] | type[TorchDDP]] = {Bare.name: Bare, TorchDDP.name: TorchDDP}
