"""`python -m suite.gpu.probe_torch`: what PyTorch and Horovod know of GPUs, as one line of JSON."""

from __future__ import annotations

import json
import warnings

import horovod.torch as hvd
import torch


def main() -> None:
    warnings.simplefilter("ignore")  # of a driver that is too old; the caller says it in one line
    usable = torch.cuda.is_available()
    cards = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())] if usable else []
    said = {
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "",
        "cards": cards,
        "nccl": bool(hvd.nccl_built()),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
