"""Make environments with other versions of the frameworks, build Horovod in each, and train there with two ranks:

python -m tests.environments [WORDS THAT THE NAMES OF ROWS CONTAIN]

What came of each row is kept in `results.json` and written into `results.md` after each, so that a run that is cut loses
one row. The environments themselves are removed: a PyTorch from PyPI brings gigabytes for GPUs.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.environments.rows import FOLDER, ROWS, Outcome, Row, kept, noted

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results.md"
TRIALS = {"torch": "trial_torch.py", "tensorflow-cpu": "trial_tensorflow.py"}
IMPORTS = {"torch": "torch", "tensorflow-cpu": "tensorflow"}
IMPORT_ROUNDS = 5


class FailedError(Exception):
    """A stage of a row; the message is what the README may say of it."""


def called(stage: str, command: Sequence[str | Path], log: Path, seconds: float) -> str:
    """What it printed. FailedError with its last line that says something."""
    # Nothing of this checkout may be imported in the place of what is installed there.
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"PYTHONSAFEPATH": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            list(map(str, command)), cwd=FOLDER, env=environment, timeout=seconds, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise FailedError(f"{stage}: not within {seconds:.0f} s") from None
    with log.open("a") as file:
        file.write(f"## {stage}\n{done.stdout}\n")
    if done.returncode:
        lines = [line.strip() for line in done.stdout.splitlines() if re.search(r"[Ee]rror|cannot|No matching", line)]
        raise FailedError(f"{stage}: {(lines or [f'exit code {done.returncode}'])[-1][:300]}")
    return done.stdout


def project(into: Path) -> Path:
    """A wheel of this checkout, built from a copy: setuptools would pack what an earlier build has left beside it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("algorithms", "suite"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy)
        subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", into, copy], check=True)
    return max(into.glob("farandole-*.whl"), key=lambda path: path.stat().st_mtime)


def importing(python: Path, module: str, log: Path) -> float:
    """How much longer Python takes to import the algorithms beside a framework and Horovod; in turns."""
    bare = f"import {module}, horovod.{module}"
    took: dict[str, list[float]] = {bare: [], f"{bare}, algorithms.{module}": []}
    for _ in range(IMPORT_ROUNDS + 1):
        for code, seconds in took.items():
            begun = time.perf_counter()
            called("import", [python, "-c", code], log, 300)
            seconds.append(time.perf_counter() - begun)
    without, with_ours = (statistics.median(seconds[1:]) for seconds in took.values())  # the first compiles bytecode
    return with_ours / without


def tried(row: Row, wheel: Path) -> Outcome:
    outcome = Outcome(row.name)
    interpreter = shutil.which(f"python{row.python}") or ""
    try:
        log = row.beside("log")
        log.unlink(missing_ok=True)
        shutil.rmtree(row.folder, ignore_errors=True)
        called(f"Python {row.python}", [interpreter or f"python{row.python}", "-m", "venv", row.folder], log, 120)
        python, scripts = row.folder / "bin" / "python", row.folder / "bin"
        called("pip install", [python, "-m", "pip", "install", "--no-cache-dir", *row.packages, wheel], log, 1800)
        frozen = called("pip freeze", [python, "-m", "pip", "freeze"], log, 60).splitlines()
        found = [
            line for line in frozen if line.split("==")[0] in ("torch", "tensorflow_cpu", "tensorflow-cpu", "keras")
        ]
        outcome = replace(outcome, versions=", ".join(line.replace("==", " ") for line in found))
        begun = time.monotonic()
        called(
            "horovod build", [scripts / "farandole", "horovod", "build", "--cpu", "--mpi", "off", "--again"], log, 3600
        )
        outcome = replace(outcome, build_seconds=time.monotonic() - begun)
        for package in row.packages:
            name = package.split("==")[0]
            command = [scripts / "horovodrun", "--gloo", "-np", "2", python, HERE / TRIALS[name]]
            called(f"two ranks, {IMPORTS[name]}", command, log, 600)
            outcome = replace(outcome, trial="works")
        module = IMPORTS[row.packages[0].split("==")[0]]
        outcome = replace(outcome, import_ratio=importing(python, module, log))
    except FailedError as error:
        outcome = replace(outcome, failed=str(error))
    except FileNotFoundError as error:
        outcome = replace(outcome, failed=f"not here: {error.filename}")
    finally:
        shutil.rmtree(row.folder, ignore_errors=True)
    return outcome


def written() -> None:
    lines = [
        "# Environments in which Horovod was built and farandole trained",
        "",
        f"Made by `make test-environments` on {platform.machine()} with {os.cpu_count()} cores, neither a GPU nor a",
        "CUDA toolkit in sight (PyTorch from PyPI is a build for CUDA all the same): Horovod 0.28.1 by",
        "`farandole horovod build --cpu --mpi off`, then two ranks with one algorithm of each kind: synchronous and",
        "layer-wise equal a serial run to 1e-12, delayed(1), local SGD and elastic averaging are equal on both ranks.",
        "*Import*: `import torch, horovod.torch, algorithms.torch` over the same without the last, medians of 5 in turns",
        "(TensorFlow alike). Build times are of a machine that did other things as well.",
        "",
        "| environment | pip chose | build | two ranks | import |",
        "|---|---|---|---|---|",
    ]
    known = kept()
    for row in ROWS:
        outcome = known.get(row.name)
        if outcome is None:
            lines.append(f"| {row.name} | – | not tried | – | – |")
            continue
        build = "–" if outcome.build_seconds is None else f"{outcome.build_seconds:.0f} s"
        ratio = "–" if outcome.import_ratio is None else f"{outcome.import_ratio:.2f} x"
        said = outcome.failed or outcome.trial
        lines.append(f"| {row.name} | {outcome.versions or '–'} | {build} | {said} | {ratio} |")
    RESULTS.write_text("\n".join([*lines, ""]))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.environments",
        description=__doc__.splitlines()[0],
        epilog="example: python -m tests.environments 2.16 2.21",
    )
    parser.add_argument("words", nargs="*", help=f"of {'; '.join(row.name for row in ROWS)}; all if none is given")
    words = parser.parse_args().words
    rows = [row for row in ROWS if not words or any(word in row.name for word in words)]
    if not rows:
        parser.error(f"no row contains {words[0]!r}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    wheel = project(FOLDER)
    failed = 0
    for number, row in enumerate(rows, 1):
        print(f"{number} of {len(rows)}: {row.name}", flush=True)
        outcome = tried(row, wheel)
        noted(outcome)
        written()
        print(f"  {outcome}", flush=True)
        failed += bool(outcome.failed)
    print(f"{len(rows) - failed} of {len(rows)} work; see {RESULTS.relative_to(ROOT)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
