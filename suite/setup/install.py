"""The steps of set-up, in order."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from suite.setup import cuda, facts, lock, preflight, recipe, stamp, wheel
from suite.setup.environment import Environment, cpu_torch_options
from suite.setup.preflight import Wish
from suite.setup.wheel import SetupError

PROJECT = recipe.HERE.parents[1]
CHECK = "import horovod.torch, horovod.tensorflow as h; assert h.gloo_built(); print(h.mpi_built(), h.nccl_built())"
# What runs, reports and tests import, imported once so that its modules are compiled. One framework a process, as runs do:
# PyTorch's CUDA build does not get along with TensorFlow.
WARM = (
    "import keras",
    "import torch._dynamo",
    "import sklearn.datasets, pytest, suite.cli.app, suite.rank.worker, suite.report",
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python3 suite/setup", description="Make the environment of this checkout in .venv."
    )
    parser.add_argument("action", nargs="?", choices=("install", "lock"), default="install")
    parser.add_argument("--gpu", action="store_true", help="CUDA build of torch, NCCL in Horovod; needs a CUDA toolkit")
    parser.add_argument(
        "--mpi", choices=("auto", "on", "off"), default="auto", help="MPI in Horovod; auto: where mpicxx is"
    )
    parser.add_argument("--jobs", type=int, default=0, help="compilers at once; default: by cores and free memory")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.action == "lock":
            lock.renew(PROJECT)
        else:
            install(PROJECT, Wish(chosen.gpu, chosen.mpi), chosen.jobs)
    except SetupError as error:
        print(f"\nsetup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: interrupted; run it again to go on.", file=sys.stderr)
        return 130
    return 0


def install(project: Path, wish: Wish, jobs: int) -> None:
    venv = project / ".venv"
    if stamp.is_current(venv, project, wish):
        return
    with (project / ".setup.lock").open("w") as guard:  # a second `make` in this checkout waits for the first
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not stamp.is_current(venv, project, wish):
            _install(project, venv, wish, jobs)


def _install(project: Path, venv: Path, wish: Wish, jobs: int) -> None:
    begin = time.monotonic()
    machine = facts.look(project)
    found = preflight.problems(machine, wish, fresh=not (venv / "bin" / "python").exists())
    if found:
        raise SetupError("this machine is not ready.\n- " + "\n- ".join(map(str, found)))
    print(f"Setting up {venv} with Python {'.'.join(map(str, machine.python))} and {machine.compiler_version}.")

    (project / "build").mkdir(exist_ok=True)
    log = project / "build" / "setup.log"
    log.write_text("")
    environment = Environment(venv, log)
    environment.create()
    stamp.forget(venv)

    pins = recipe.PINS.read_text()
    torch_pins = (recipe.GPU_PINS if wish.gpu else recipe.CPU_PINS).read_text()
    environment.install("Installing PyTorch", torch_pins, *(() if wish.gpu else cpu_torch_options()))
    environment.install("Installing TensorFlow and the tools", recipe.without(pins, "horovod"))
    torch, cuda = environment.torch_version()
    problem = preflight.torch_problem(torch, cuda, machine, wish)
    if problem:
        raise SetupError(str(problem))

    mpi = preflight.uses_mpi(machine, wish)
    key = recipe.BuildKey(
        horovod=recipe.pinned(pins, "horovod"),
        torch=torch,
        tensorflow=recipe.pinned(pins, "tensorflow-cpu"),
        python=f"{machine.implementation}-{'.'.join(map(str, machine.python))}",
        platform=f"{machine.system}-{machine.architecture}",
        compiler=machine.compiler_version,
        mpi=machine.mpi_command if mpi else "",
        gpu=machine.nvcc_version if wish.gpu else "",
    )
    _horovod(environment, key, machine, wish, jobs)
    environment.pip("Installing farandole", "install", "--no-deps", "--no-build-isolation", "-e", str(project))
    ok, said = environment.answers("-m", "pip", "check")
    if not ok:
        raise SetupError(
            f"the pinned versions do not fit together:\n{said}  What to do: `make lock`, then `make setup`."
        )
    print("Importing once what runs import, so that it is compiled.")
    for imports in WARM:
        ok, said = environment.answers("-c", imports)
        if not ok:
            raise SetupError(f"what was installed fails at `{imports}`:\n{said[-2000:]}")
    stamp.write(venv, project, wish)
    print(
        f"Set-up took {time.monotonic() - begin:.0f} s. `make bench` and `make test` are ready; {venv}/bin/farandole too."
    )


def _horovod(environment: Environment, key: recipe.BuildKey, machine: facts.Machine, wish: Wish, jobs: int) -> None:
    """Install Horovod from the cache; build it when it is not there, or when what is there does not work."""
    shelf = wheel.Shelf.of(key, os.environ)
    cached = shelf.wheel()
    if cached is not None:
        print(f"Horovod {key.horovod} comes from {cached.parent}.")
        if _works(environment, cached)[0]:
            return
        print("The kept wheel does not work here and is built anew.")
        shelf.drop()
    built = _build(environment, key, machine, wish, jobs, shelf)
    works, said = _works(environment, built)
    if not works:
        shelf.drop()
        raise SetupError(f"Horovod was built, but does not work:\n{said[-2000:]}\n  The build's log: {shelf.log}")


def _works(environment: Environment, path: Path) -> tuple[bool, str]:
    environment.pip("Installing Horovod", "install", "--no-deps", "--force-reinstall", str(path))
    return environment.answers("-c", CHECK)


def _build(
    environment: Environment, key: recipe.BuildKey, machine: facts.Machine, wish: Wish, jobs: int, shelf: wheel.Shelf
) -> Path:
    cmake = machine.cmake
    if cmake is None:
        environment.install("Installing CMake", recipe.CMAKE_PINS.read_text())
        cmake = str(environment.folder / "bin" / "cmake")
    assert machine.compiler is not None  # else preflight would have said so
    settings = recipe.build_environment(
        os.environ,
        compiler=shelf.tools / "c++",
        cmake=Path(cmake),
        programs=environment.python.parent,
        mpi=preflight.uses_mpi(machine, wish),
        gpu=_gpu(environment, machine, shelf.tools) if wish.gpu else None,
        parallel=jobs or recipe.jobs(machine.cores, machine.free_memory),
    )
    return wheel.build(shelf, key, machine.compiler, settings, environment.python)


def _gpu(environment: Environment, machine: facts.Machine, tools: Path) -> recipe.Gpu:
    assert machine.nvcc is not None  # else preflight would have said so
    packages = environment.site_packages()
    nccl = cuda.find_nccl(packages, system=())
    if nccl is None:
        raise SetupError(
            f"torch's NCCL is not in {packages}.\n  What to do: remove .venv and run `make setup GPU=1` again."
        )
    return cuda.gpu(machine.nvcc, nccl, tools)
