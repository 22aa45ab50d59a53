"""On each of two ranks: known sums with torch."""

from __future__ import annotations

import horovod.torch as hvd
import torch

from suite.doctor.probe import answer, built


def main() -> None:
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    total = size * (size + 1) / 2
    sums = {}
    for dtype in (torch.float32, torch.float64, torch.float16):
        given = torch.arange(1000, dtype=dtype).remainder(7) * (rank + 1)
        reduced = hvd.allreduce(given, op=hvd.Sum, name=f"sum.{dtype}")
        sums[str(dtype).removeprefix("torch.")] = bool(
            torch.equal(reduced, torch.arange(1000, dtype=dtype).remainder(7) * total)
        )
    handle = hvd.allreduce_async(torch.full((100_000,), float(rank)), op=hvd.Average, name="average")
    sums["asynchronous average"] = bool(torch.equal(hvd.synchronize(handle), torch.full((100_000,), (size - 1) / 2)))
    answer({"sums": sums, "built": built(hvd), "cuda": torch.version.cuda})
    hvd.shutdown()


if __name__ == "__main__":
    main()
