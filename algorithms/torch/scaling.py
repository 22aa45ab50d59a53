"""What `torch.amp.GradScaler` leaves to an optimizer whose `step()` it calls in any case."""

from __future__ import annotations

from typing import Any

import torch

from algorithms.torch.driver import Attached


def overflowed(said: dict[str, Any], attached: Attached) -> bool:
    """Unscale for a scaler that leaves it to this step, and has `said` so. Whether there was an inf."""
    if "found_inf" not in said:
        return False
    if attached.late is not None:
        raise ValueError(
            "a loss scaler looks at the gradients of every step, and give_up=True leaves steps without any: train in "
            "bfloat16 without a scaler, or with give_up=False"
        )
    found, scale = bool(said["found_inf"]), said["grad_scale"]
    gradients = [p.grad for p in attached.parameters if p.grad is not None]
    if scale is not None and gradients and not found:  # None: `unscale_` was called
        torch._foreach_mul_(gradients, float(scale.double().reciprocal().float()))
    return found


def forget_scaler(said: dict[str, Any]) -> None:
    """A scaler takes back what it said only behind a step that went well."""
    for name in ("grad_scale", "found_inf"):
        said.pop(name, None)
