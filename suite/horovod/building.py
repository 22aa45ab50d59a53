"""From an environment with a framework to one with Horovod: look, build or take the kept wheel, install, prove."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from suite.horovod import found
from suite.horovod.found import Nccl
from suite.setup import cuda, facts, progress, recipe, wheel
from suite.setup.environment import writing_bytecode
from suite.setup.failure import explanation
from suite.setup.preflight import Mpi
from suite.setup.wheel import SetupError, Shelf

# Horovod's setup.py wants them while it is built. They never enter the user's environment.
BUILD_TOOLS = ("setuptools>=77,<80", "wheel", "cffi>=1.4.0", "cloudpickle", "packaging", "psutil", "pyyaml")
RUNTIME_NEEDS = ("cloudpickle", "packaging", "psutil", "pyyaml")
PROOF_SECONDS = 600.0  # beside a dozen busy processes it took 140

PROOFS = {
    "pytorch": """
import horovod.torch as hvd, torch
hvd.init()
total = hvd.allreduce(torch.tensor([hvd.rank() + 1.0]), op=hvd.Sum, name="proof")
assert (hvd.size(), float(total[0])) == (2, 3.0), (hvd.size(), total)
""",
    "tensorflow": """
import horovod.tensorflow as hvd, tensorflow as tf
hvd.init()
total = hvd.allreduce(tf.constant([hvd.rank() + 1.0]), op=hvd.Sum, name="proof")
assert (hvd.size(), float(total[0])) == (2, 3.0), (hvd.size(), total)
""",
}


Proof = Callable[[str], str]  # code for every rank -> what went wrong


class NotReadyError(Exception):
    """The environment or the machine lacks something; the message says what, and what to do."""


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    mpi: Mpi = "auto"
    nccl: Nccl = "auto"
    cpu: bool = False  # nothing that lies on a GPU will travel
    jobs: int = 0  # 0: as many compilers as fit
    again: bool = False


def build(wish: Wish) -> None:
    begin = time.monotonic()
    here, machine = found.look(), facts.look(Path(sys.prefix))
    lacking = found.problems(here, machine, wish.mpi, wish.nccl, cpu=wish.cpu)
    if lacking:
        raise NotReadyError("Horovod cannot be built here.\n- " + "\n- ".join(map(str, lacking)))
    names = ", ".join(f"{found.NAMES[name]} {version}" for name, version in here.frameworks.items())
    print(f"{here.prefix}: Python {platform.python_version()}, {names}.")
    if not wish.again and not proven(here.frameworks, proof):
        print("Horovod works here already: two ranks have exchanged a number. (--again builds it anew.)")
        return
    mpi = wish.mpi == "on" or (wish.mpi == "auto" and machine.mpicxx is not None)
    if wish.cpu:
        here = replace(here, cuda="", nccl=None)
    nccl = here.nccl if wish.nccl != "off" else None
    if here.cuda:
        carries = f"over NCCL ({nccl[1].name})" if nccl else "through main memory (Gloo)"
        print(f"What lies on a GPU will travel {carries}.")
    key = key_of(here, machine, mpi=mpi, nccl=nccl is not None)
    shelf = Shelf.of(key, os.environ)
    if wish.again:
        shelf.drop()
    kept = shelf.wheel()
    if kept is not None:
        print(f"Horovod {key.horovod} comes from {kept.parent}.")
        install(kept)
        if not proven(here.frameworks, proof):
            _done(begin)
            return
        print("The kept wheel does not work here and is built anew.")
        shelf.drop()
    install(compiled(shelf, key, machine, here, mpi=mpi, nccl=nccl, jobs=wish.jobs))
    said = proven(here.frameworks, proof)
    if said:
        shelf.drop()
        raise SetupError(f"Horovod was built, but does not work:\n{said[-2000:]}\n  The build's log: {shelf.log}")
    _done(begin)


def key_of(here: found.Found, machine: facts.Machine, *, mpi: bool, nccl: bool = False) -> recipe.BuildKey:
    return recipe.BuildKey(
        horovod=recipe.pinned(recipe.PINS.read_text(), "horovod"),
        torch=here.pytorch,
        tensorflow=here.tensorflow,
        python=f"{machine.implementation}-{'.'.join(map(str, machine.python))}",
        platform=f"{machine.system}-{machine.architecture}",
        compiler=machine.compiler_version,
        mpi=machine.mpi_command if mpi else "",
        gpu=f"{machine.nvcc_version}{'' if nccl else ', no NCCL'}" if here.cuda else "",
    )


def compiled(
    shelf: Shelf,
    key: recipe.BuildKey,
    machine: facts.Machine,
    here: found.Found,
    *,
    mpi: bool,
    nccl: tuple[Path, Path] | None,
    jobs: int,
) -> Path:
    """With build tools in a folder of their own, so that the environment keeps its versions of them."""
    assert machine.compiler is not None  # else it would have been said
    with tempfile.TemporaryDirectory(prefix="farandole-build-tools-") as name:
        tools = Path(name)
        wanted = [*BUILD_TOOLS, *([] if machine.cmake else ["cmake>=3.22,<4"])]
        pip("Fetching build tools", ["install", "--target", name, *wanted], shelf)
        settings = recipe.build_environment(
            os.environ,
            compiler=shelf.tools / "c++",
            cmake=Path(machine.cmake or tools / "bin" / "cmake"),
            programs=Path(sys.executable).parent,
            mpi=mpi,
            gpu=cuda.gpu(machine.nvcc, nccl, shelf.tools) if here.cuda and machine.nvcc else None,
            parallel=jobs or recipe.jobs(machine.cores, machine.free_memory),
            frameworks=here.frameworks,
        )
        # Horovod asks `distutils` where Python's headers are, which Python 3.12 does not have any more.
        settings["CPLUS_INCLUDE_PATH"] = sysconfig.get_path("include")
        settings["PYTHONPATH"] = os.pathsep.join(filter(None, [name, os.environ.get("PYTHONPATH")]))
        return wheel.build(shelf, key, machine.compiler, settings, Path(sys.executable))


def install(path: Path) -> None:
    shelf = Shelf(path.parent)
    pip("Installing Horovod", ["install", "--no-deps", "--force-reinstall", str(path)], shelf)
    pip("Installing what it needs", ["install", *RUNTIME_NEEDS], shelf)


def pip(title: str, arguments: Iterable[str], shelf: Shelf) -> None:
    shelf.folder.mkdir(parents=True, exist_ok=True)
    log = shelf.folder / "install.log"
    log.write_text("")
    display = progress.Display(title)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    code = progress.run(command, log=log, display=display, step=progress.install_step)
    display.close("done" if code == 0 else "failed")
    if code:
        lines = log.read_text(errors="replace").splitlines()
        raise SetupError(explanation(f"{title} failed:", lines, str(log), code))


def proven(frameworks: Mapping[str, str], prove: Proof) -> str:
    """Empty if two ranks exchange a number with each framework; else what the first that fails has to say."""
    return next(filter(None, (prove(PROOFS[name]) for name in frameworks)), "")


def proof(code: str) -> str:
    """Run it on two ranks over Gloo; empty, or what it said."""
    launcher = Path(sys.executable).parent / "horovodrun"
    if not launcher.exists():
        return f"there is no {launcher}"
    try:
        done = subprocess.run(
            [launcher, "--gloo", "-np", "2", sys.executable, "-c", code],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROOF_SECONDS,
            check=False,
            env={**writing_bytecode(os.environ), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
    except subprocess.TimeoutExpired:
        return f"two ranks did not come to an end within {PROOF_SECONDS:.0f} s"
    return "" if done.returncode == 0 else (done.stdout + done.stderr) or f"exit code {done.returncode}"


def _done(begin: float) -> None:
    print(f"Two ranks have exchanged a number. Horovod is ready, after {time.monotonic() - begin:.0f} s.")
