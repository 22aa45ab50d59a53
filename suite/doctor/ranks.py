"""Two real ranks, with a deadline, and what they found out."""

from __future__ import annotations

import json
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.cluster.horovodrun import horovodrun
from suite.doctor.check import Check, ok, problem
from suite.harness.executor import Job, Processes
from suite.setup.failure import causes

RANKS = 2


@dataclass(frozen=True)
class Answer:
    """What the ranks of one probe wrote, or why they wrote nothing."""

    ranks: tuple[dict[str, Any], ...]
    trouble: str = ""

    @property
    def first(self) -> dict[str, Any]:
        return self.ranks[0] if self.ranks else {}


def ask(probe: str, deadline: float, *, count: int = RANKS, device: str = "cpu") -> Answer:
    """Run `suite.doctor.probe_<probe>` on ranks of this machine, with tensors on that device."""
    with tempfile.TemporaryDirectory(prefix="farandole-doctor-") as name:
        folder = Path(name)
        argv = [sys.executable, "-m", f"suite.doctor.probe_{probe}", str(folder), device]
        environment = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "HOROVOD_LOG_LEVEL": "error"}
        job = Job(
            horovodrun(count, [("localhost", count)], argv), environment, folder, deadline, f"doctor-{uuid.uuid4()}"
        )
        ended = Processes()(job, over=lambda: False, tick=lambda seconds: None)
        files = [folder / f"rank-{rank}.json" for rank in range(count)]
        if ended.how == "exited" and ended.code == 0 and all(file.exists() for file in files):
            return Answer(tuple(json.loads(file.read_text()) for file in files))
        silent = [str(rank) for rank, file in enumerate(files) if not file.exists()]
    if ended.how == "deadline":
        return Answer((), f"rank {' and '.join(silent)} not done after {deadline:g} s")
    lines = (ended.output + ended.errors).splitlines()
    reason = next(iter(reversed([line for line in lines if "Error" in line])), None) or next(
        iter(causes(lines)), "no message"
    )
    return Answer((), f"ended with {ended.how}, code {ended.code}: {reason.strip()[:300]}")


def judge_sums(name: str, answer: Answer, advice: str) -> Check:
    """Known sums, from every rank."""
    if answer.trouble:
        return problem(name, answer.trouble, advice)
    wrong = [
        f"rank {rank}: {case}"
        for rank, found in enumerate(answer.ranks)
        for case, right in found["sums"].items()
        if not right
    ]
    if wrong:
        return problem(name, f"wrong sums: {', '.join(wrong)}", advice)
    ranks = "1 rank" if len(answer.ranks) == 1 else f"{len(answer.ranks)} ranks"
    return ok(name, f"allreduce on {ranks} is right: {', '.join(answer.first['sums'])}")


def judge_build(torch: Answer, tensorflow: Answer) -> Check:
    """Frameworks and controllers compiled into Horovod."""
    built = {"PyTorch": torch, "TensorFlow": tensorflow}
    works = [name for name, answer in built.items() if answer.ranks]
    if not works:
        return problem(
            "Horovod build", "no framework works", "remove .venv and run `make setup`; the build's log is named there"
        )
    parts = []
    for part in ("gloo", "mpi", "nccl", "adasum"):
        having = [name for name in works if built[name].first["built"][part]]
        if having:
            parts.append(part if having == works else f"{part} for {', '.join(having)}")
    text = f"{', '.join(works)}; {', '.join(parts)}" + ("" if "mpi" in parts else "; no MPI")
    if len(works) < len(built):
        return problem("Horovod build", text, "see below; remove .venv and run `make setup` to build it again")
    return ok("Horovod build", text)


def judge_keras(answer: Answer) -> Check:
    """Ours must synchronise; that Horovod's own does not is why ours exists, and is shown."""
    name, advice = "Keras 3", "use algorithms.tensorflow.DistributedOptimizer and report this"
    if answer.trouble:
        return problem(name, answer.trouble, "run `make setup` again")
    ours, theirs = answer.first["ours"], answer.first["horovods"]
    text = f"2 ranks with different data: weights differ by {ours:.2g} with our wrapper, by {theirs:.2g} with Horovod's own"
    return ok(name, text) if ours == 0.0 else problem(name, text, advice)
