"""`python -m suite.gpu.probe_torch`: what PyTorch and Horovod know of GPUs, as one line of JSON."""

from __future__ import annotations

import json
import warnings

import torch


def main() -> None:
    warnings.simplefilter("ignore")  # of a driver that is too old; the caller says it in one line
    usable = torch.cuda.is_available()
    cards = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())] if usable else []
    said = {"torch": torch.__version__, "cuda": torch.version.cuda or "", "cards": cards}
    print(json.dumps(said | horovod()))


def horovod() -> dict[str, bool]:
    """Without it profiles and the virtual cluster run all the same."""
    try:
        import horovod.torch as hvd
    except ImportError:
        return {"horovod": False}
    return {"horovod": True, "nccl": bool(hvd.nccl_built())}


if __name__ == "__main__":
    main()
