"""`python -m suite.gpu.sums RANKS DEVICE [nccl]`: the doctor's known sums, of tensors that lie on a device.

`nccl`: a Horovod without NCCL fails, since it would add up all the same, in main memory.
"""

from __future__ import annotations

import json
import sys

from suite.doctor import Status, ranks

SECONDS = 120.0


def main(arguments: list[str]) -> int:
    count, device = int(arguments[0]), arguments[1]
    answer = ranks.ask("torch", SECONDS, count=count, device=device)
    check = ranks.judge_sums("PyTorch", answer, "farandole doctor")
    built = answer.first.get("built", {})
    print(json.dumps({"ranks": count, "device": device, "nccl": built.get("nccl"), "found": check.found}))
    if "nccl" in arguments[2:] and not answer.trouble and not built.get("nccl"):
        print("this Horovod has no NCCL", file=sys.stderr)
        return 1
    return 0 if check.status is Status.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
