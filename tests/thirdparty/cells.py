"""One program with one algorithm: what must be true of it, and what the table says of it."""

from __future__ import annotations

import importlib
import json
import warnings
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import algorithms
from algorithms.contract import Algorithm, Exchange
from tests.thirdparty.program import Place, Program, Ran

FOUND = Path(__file__).parents[2] / "build" / "thirdparty" / "cells"
EXACT = 1e-6
ROWS: dict[str, Algorithm] = {name: kind() for name, kind in algorithms.CATALOGUE.items() if not kind.virtual_only}
# Three have an argument: a period that divides the 12 or 24 steps here. By default it is 10, 48 and 500, and training that
# ends between two rounds leaves workers apart, or has evaluation see none of what came after the last.
PERIOD = 6
ROWS["local_sgd"] = algorithms.LocalSGD(period=PERIOD)
ROWS["slowmo"] = algorithms.SlowMo(period=PERIOD)
ROWS["diloco"] = algorithms.DiLoCo(period=PERIOD)

TORCH = {  # by program: what it is, for the table
    "bare.plain": "a bare loop, `StepLR`",
    "bare.clips": "`clip_grad_norm_` in a bare loop",
    "bare.clips_in_the_wrapper": "`clip_norm=` in place of it",
    "bare.freezes": "a layer frozen for an epoch",
    "bare.adversaries": "a GAN: two optimizers, `passes=2` for the one",
    "bare.sparse_embedding": "`nn.Embedding(sparse=True)`, `sparse_as_dense=True`",
    "transformers_trainer.defaults": "`Trainer(optimizers=(ours, None))`, all defaults: clips at 1.0",
    "transformers_trainer.without_clipping": "the same, `max_grad_norm=0`",
    "transformers_trainer.overlapped": "the same, `clip_norm=1.0`, no norm taken for the log",
    "transformers_trainer.accumulates": "`gradient_accumulation_steps=2`, `passes=2`",
    "transformers_trainer.accumulates_untold": "the same without `passes=2`",
    "transformers_trainer.resumes": "saved and resumed by the trainer",
    "lightning_trainer.automatic": "Lightning, all defaults, a schedule",
    "lightning_trainer.clips": "`gradient_clip_val=0.5`",
    "lightning_trainer.clips_in_the_wrapper": "`clip_norm=0.5` in place of it",
    "lightning_trainer.accumulates": "`accumulate_grad_batches=2`, `passes=2`",
    "lightning_trainer.manual": "manual optimization, `clip_gradients`",
    "lightning_trainer.adversaries": "a GAN, manual, toggled optimizers",
    "lightning_trainer.resumes": "`save_checkpoint`, `fit(ckpt_path=...)`",
    "accelerate_loop.plain": "`accelerator.prepare`, a prepared schedule",
    "accelerate_loop.accumulates": "`accumulate`, `clip_grad_norm_`, `passes=2`",
}
TENSORFLOW = {
    "keras_fit.defaults": "`fit`, Adam",
    "keras_fit.callbacks": "`fit`, six of Keras's callbacks",
    "keras_fit.clips": "`global_clipnorm` of the wrapped optimizer",
    "keras_fit.clips_in_the_wrapper": "`clip_norm=` of the wrapper",
    "keras_fit.accumulates": "`gradient_accumulation_steps=2`",
    "keras_fit.embedding": "an embedding, sparse gradients",
    "keras_fit.steps_per_execution": "`steps_per_execution=4`",
}
UNSEEN = frozenset(name for name in TORCH if name.endswith((".overlapped", ".clips_in_the_wrapper", ".plain")))

SERIAL = {  # whose serial run a program's is: clipped by the loop, or the trainer
    "bare.clips_in_the_wrapper": "bare.clips",
    "lightning_trainer.clips_in_the_wrapper": "lightning_trainer.clips",
    "transformers_trainer.overlapped": "transformers_trainer.defaults",
}
OWN = ("downpour", "elastic_averaging", "local_sgd", "slowmo", "diloco")  # workers that never average gradients
CLIPPED = ("bare.clips_in_the_wrapper", "lightning_trainer.clips_in_the_wrapper", "transformers_trainer.overlapped")

# What ends with an error, by program and algorithm ("*": any), and the words that name the way out.
REFUSED: dict[tuple[str, str], str] = {
    ("*", "adasum"): "build Horovod with MPI",
    **{
        ("transformers_trainer.accumulates_untold", name): "wrap with passes=n"
        for name in ("stock_horovod", "synchronous", "layerwise", "delayed")
    },
    **{
        (program, name): "clip each worker's with torch.nn.utils.clip_grad_norm_" for program in CLIPPED for name in OWN
    },
    **{
        ("keras_fit.clips_in_the_wrapper", name): "global_clipnorm=0.5 of the optimizer that is wrapped"
        for name in (*OWN, "adasum")  # which is asked before MPI
    },
}


@dataclass(frozen=True)
class Cell:
    """How one program ended with one algorithm."""

    program: str
    algorithm: str
    outcome: str  # "works", or what was wrong
    from_serial: float | None = None  # the largest difference to the serial run, where that is promised to be none


def refusal(program: str, algorithm: str) -> str | None:
    return next(
        (said for key in ((program, algorithm), ("*", algorithm), (program, "*")) if (said := REFUSED.get(key))), None
    )


def averages(algorithm: Algorithm) -> bool:
    return not isinstance(algorithm, algorithms.NoCommunication)


def is_exact(algorithm: Algorithm) -> bool:
    return isinstance(algorithm, Exchange) and algorithm.reduces and not algorithm.delay


def is_game(program: str) -> bool:
    """Whether its losses need not fall."""
    return program.endswith(".adversaries")


def found(name: str) -> Program:
    module, function = name.split(".")
    program: Program = getattr(importlib.import_module(f"tests.thirdparty.programs.{module}"), function)
    return program


@cache
def serial(program: str, workers: int, folder: Path) -> Ran:
    return found(program)(Place(None, tuple(range(workers)), workers, folder))


def attempted(program: str, place: Place) -> tuple[Ran | None, str | None]:
    """What one rank ran, or the error that it ended with."""
    try:
        with warnings.catch_warnings():
            if program in UNSEEN:
                from algorithms.torch.exchange.onlookers import LookedAt

                warnings.simplefilter("error", LookedAt)
            return found(program)(place), None
    except (ValueError, RuntimeError, NotImplementedError, AssertionError) as error:
        return None, f"{type(error).__name__}: {' '.join(str(error).split())}"


def wrong(program: str, algorithm: Algorithm, everyone: list[Ran], alone: Ran) -> list[str]:
    """What is not as it must be."""
    first = everyone[0]
    found: list[str] = []
    apart = max(farthest(first, other) for other in everyone)
    if averages(algorithm) and apart:
        found.append(f"replicas differ by {apart:.1e}")
    if is_exact(algorithm) and not farthest(first, alone) <= EXACT:
        found.append(f"{farthest(first, alone):.1e} from the serial run")
    if not is_game(program) and not all(map(falls, everyone)):
        found.append(f"the loss goes from {first.losses[0]:.3g} to {first.losses[-1]:.3g}")
    if not all(np.isfinite(value).all() for ran in everyone for value in ran.parameters.values()):
        found.append("parameters are not finite")
    return found


def farthest(ours: Ran, theirs: Ran) -> float:
    assert ours.parameters.keys() == theirs.parameters.keys()
    return max(float(np.abs(ours.parameters[name] - theirs.parameters[name]).max()) for name in ours.parameters)


def falls(ran: Ran) -> bool:
    """Whether the last third of the losses is below the first."""
    third = len(ran.losses) // 3
    return float(np.mean(ran.losses[-third:])) < float(np.mean(ran.losses[:third]))


def check(program: str, name: str, rank: int, workers: int, folder: Path, gather: Any) -> None:
    """Run one cell on this rank, note how it ended, and fail where that is not what is promised."""
    algorithm = ROWS[name]
    alone = serial(SERIAL.get(program, program), workers, folder / "serial")
    everyone = gather(attempted(program, Place(algorithm, (rank,), workers, folder / "own")))
    errors = {error for _, error in everyone}
    ran = [run for run, _ in everyone if run is not None]
    far = None
    if errors == {None}:
        problems = wrong(program, algorithm, ran, alone)
        outcome = "WRONG: " + "; ".join(problems) if problems else "works"
        far = farthest(ran[0], alone) if is_exact(algorithm) else None
    else:
        outcome = str(errors.pop()) if len(errors) == 1 else f"WRONG: ranks ended differently: {errors}"
    if rank == 0:
        FOUND.mkdir(parents=True, exist_ok=True)
        (FOUND / f"{program}--{name}.json").write_text(json.dumps(asdict(Cell(program, name, outcome, far))))
    expected = refusal(program, name)
    assert outcome == "works" if expected is None else expected in outcome, outcome


def read() -> list[Cell]:
    return [Cell(**json.loads(path.read_text())) for path in sorted(FOUND.glob("*.json"))]
