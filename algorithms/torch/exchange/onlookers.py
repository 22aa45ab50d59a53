"""Who looks at what travels, or waits for it, and which argument of which trainer lets it travel on."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import FrameType

LIGHTNING = "With Lightning: clip_norm=... there, and Trainer(gradient_clip_val=None), without clip_gradients()."
TRAINERS = {  # by package, those that call others first
    "transformers": "With HuggingFace's Trainer: clip_norm=1.0 there, TrainingArguments(max_grad_norm=0), and a subclass "
    "whose `_get_grad_norm` returns None, because Trainer takes the norm of every step for its log.",
    "lightning": LIGHTNING,
    "pytorch_lightning": LIGHTNING,
    "accelerate": "With accelerate: clip_norm=... there, and no accelerator.clip_grad_norm_().",
    "torch.amp": "A loss scaler always looks: train in bfloat16, which needs none.",
}


class LookedAt(UserWarning):
    """Somebody looked at averages on their way, so that a step waits where it need not."""


def warn(algorithm: str) -> None:
    """Once for each optimizer, by its driver. What was asked for is right all the same, only late."""
    packages, looker = _callers()
    said = next((advice for package, advice in TRAINERS.items() if package in packages), "")
    warnings.warn(
        f"{looker} looked at p.grad between backward() and step(), so every such step waits for its averages, and "
        f"{algorithm} hides no more of the exchange than backward. To clip the average without that wait, wrap with "
        f"DistributedOptimizer(..., clip_norm=...) and clip nowhere else. {said}".rstrip(),
        LookedAt,
        stacklevel=2,
    )


def warn_of_reading(algorithm: str) -> None:
    """Once for each optimizer, when it has become a habit."""
    _, reader = _callers()
    warnings.warn(
        f"{reader} read a parameter between step() and the next forward, step after step: each waits there for its "
        f"averages, and {algorithm} hides no more of the exchange than backward. Read parameters more seldom, or behind "
        "the forward.",
        LookedAt,
        stacklevel=2,
    )


def _callers() -> tuple[frozenset[str], str]:
    """The packages in the stack, and the innermost line that is neither ours nor PyTorch's."""
    packages: set[str] = set()
    looker = ""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        package, _, rest = frame.f_globals.get("__name__", "").partition(".")
        if package == "torch":
            packages.add(f"torch.{rest.partition('.')[0]}")
        elif package != "algorithms":
            packages.add(package)
            looker = looker or f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}, in {frame.f_code.co_name},"
        frame = frame.f_back
    return frozenset(packages), looker
