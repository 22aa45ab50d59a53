"""On each of some ranks: known sums with torch, of tensors that lie on a device."""

from __future__ import annotations

import sys

import horovod.torch as hvd
import torch

from suite.doctor.probe import answer, built


def main() -> None:
    hvd.init()
    device = torch.device(sys.argv[2])
    if device.type == "cuda":
        device = torch.device("cuda", hvd.local_rank() % torch.cuda.device_count())
    rank, size = hvd.rank(), hvd.size()
    total = size * (size + 1) / 2
    sums = {}
    for dtype in (torch.float32, torch.float64, torch.float16):
        units = torch.arange(1000, dtype=dtype, device=device).remainder(7)
        reduced = hvd.allreduce(units * (rank + 1), op=hvd.Sum, name=f"sum.{dtype}")
        sums[str(dtype).removeprefix("torch.")] = bool(torch.equal(reduced, units * total))
    ones = torch.ones(100_000, device=device)
    handle = hvd.allreduce_async(ones * rank, op=hvd.Average, name="average")
    sums["asynchronous average"] = bool(torch.equal(hvd.synchronize(handle), ones * ((size - 1) / 2)))
    answer({"sums": sums, "built": built(hvd), "cuda": torch.version.cuda})
    hvd.shutdown()


if __name__ == "__main__":
    main()
