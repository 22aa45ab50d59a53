"""A command on several ranks of a Ray cluster, as horovodrun starts one over ssh: `python rayrun.py --help`.

`horovod.ray` finds room for the ranks and tells each where the others are. It would run a function in Ray's own processes;
here each of them starts the command instead, so that a rank is what it is elsewhere: a process of its own, which dies with
the job.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = "here"  # for an address: a cluster of this machine that lives as long as the job
NO_RAY = "network of kind ray: Ray is not installed in this environment: pip install 'farandole[ray]'"
PLACE_SECONDS = 120  # for Ray to find room, which may mean that its autoscaler starts machines


def rank_of_job(argv: Sequence[str], folder: str, environment: Mapping[str, str], lines: Any) -> int:
    """Run by each of Ray's processes: the command, whose output goes to the one who asked. Its exit code."""
    told = {name: value for name, value in os.environ.items() if name.startswith("HOROVOD_")}
    rank = told["HOROVOD_RANK"]
    process = subprocess.Popen(
        argv,
        cwd=folder if Path(folder).is_dir() else None,
        env={**environment, **told},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=_dies_with_its_starter,
    )

    def forward(stream: Any, name: str) -> None:
        for line in stream:
            lines.put((name, f"[{rank}]<{name}>:{line}"))

    streams = ((process.stdout, "stdout"), (process.stderr, "stderr"))
    readers = [threading.Thread(target=forward, args=stream) for stream in streams]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return process.wait()


def _dies_with_its_starter() -> None:
    """Ray ends its processes with a signal that they cannot hand on."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def run(address: str, ranks: int, argv: Sequence[str]) -> int:
    """The first exit code that is not 0; then the other ranks are ended."""
    try:
        import ray
        from horovod.ray import RayExecutor
        from ray.util.queue import Empty, Queue
    except ImportError as error:
        print(f"{NO_RAY} ({error})", file=sys.stderr)
        return 2
    how: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    if address == HERE:
        ray.init(num_cpus=ranks + 1, **how)
    else:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    cores = ray.cluster_resources().get("CPU", 0)
    if cores < ranks:
        print(f"ranks is {ranks}, must be at most {cores:g}, the cores of the Ray cluster", file=sys.stderr)
        return 2
    lines = Queue(actor_options={"num_cpus": 0})
    executor = RayExecutor(RayExecutor.create_settings(timeout_s=PLACE_SECONDS), num_workers=ranks, cpus_per_worker=1)
    executor.start()
    try:
        waiting = executor.run_remote(rank_of_job, args=[list(argv), str(Path.cwd()), dict(os.environ), lines])

        def show() -> None:
            with contextlib.suppress(Empty):
                while True:
                    name, line = lines.get(timeout=0.05)
                    print(line, end="", file=sys.stderr if name == "stderr" else sys.stdout, flush=True)

        while waiting:
            done, waiting = ray.wait(waiting, timeout=0.05)
            show()
            for code in ray.get(done):
                if code:
                    print(f"Process exit with status code {code}.", file=sys.stderr)
                    return int(code)
        return 0
    finally:
        executor.shutdown()
        ray.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"example: python rayrun.py --address {HERE} -np 2 -- python train.py"
    )
    parser.add_argument("--address", default="auto", help=f"of the cluster's head; {HERE}: a new one of this machine")
    parser.add_argument("-np", dest="ranks", type=int, required=True)
    parser.add_argument("argv", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # through `finally`
    sys.exit(run(asked.address, asked.ranks, asked.argv[1:] if asked.argv[:1] == ["--"] else asked.argv))


if __name__ == "__main__":
    main()
