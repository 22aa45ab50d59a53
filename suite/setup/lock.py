"""`make lock`: resolve the newest versions that pyproject.toml allows and write them down, direct and indirect ones."""

from __future__ import annotations

import json
import subprocess
import tempfile
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path

from suite.setup import recipe
from suite.setup.environment import cpu_torch_options
from suite.setup.wheel import SetupError

# What Horovod 0.28.1's setup.py asks for; resolving it from source would compile nothing but needs its build tools.
HOROVOD_NEEDS = ("cffi>=1.4.0", "cloudpickle", "packaging", "psutil", "pyyaml", "setuptools>=77,<80", "wheel")
HEAD = "# Made by `make lock`; do not edit. {}\n"


def renew(project: Path) -> None:
    wanted = direct(project)
    horovod = next(line for line in wanted if line.startswith("horovod=="))
    torch = next(line for line in wanted if line.startswith("torch"))
    others = [line for line in wanted if line not in (horovod, torch)]

    with tempfile.TemporaryDirectory() as folder:
        venv.EnvBuilder(with_pip=True, symlinks=True).create(folder)
        python = Path(folder, "bin", "python")
        resolve(python, ["pip"], (), install=True)  # --report needs a new pip
        everything = resolve(python, [torch, *others, *HOROVOD_NEEDS], cpu_torch_options())
        version = everything["torch"]
        if not version.endswith("+cpu"):
            raise SetupError(
                f"pip found torch {version}, a CUDA build.\n"
                f"  What to do: make {recipe.CPU_TORCH_INDEX} reachable, or name a folder with the wheel in PIP_FIND_LINKS."
            )
        release = version.removesuffix("+cpu")
        cuda = resolve(
            python, [f"torch=={release},!={version}", *(f"{n}=={v}" for n, v in everything.items() if n != "torch")]
        )
        cmake = resolve(python, ["cmake>=3.22,<4"])

    del everything["torch"]
    everything["horovod"] = horovod.split("==")[1]
    write(recipe.PINS, "All but torch, which has a lock for CPU and one for GPU.", everything)
    write(recipe.CPU_PINS, f"The CPU build of torch, from {recipe.CPU_TORCH_INDEX}.", {"torch": version})
    gpu_only = {name: v for name, v in cuda.items() if name not in everything}
    gpu_only["torch"] += f",!={version}"  # a local build counts as newer, and pip may know a folder that has it
    write(recipe.GPU_PINS, "The CUDA build of torch, with `make setup GPU=1`.", gpu_only)
    write(recipe.CMAKE_PINS, "Only where the machine has no CMake.", cmake)


def direct(project: Path) -> list[str]:
    """What a checkout needs, as pyproject.toml says it: all but the frameworks' own extras, which are for others."""
    said = tomllib.loads((project / "pyproject.toml").read_text())
    extras = said["project"]["optional-dependencies"]
    lines = [*said["project"]["dependencies"], *said["dependency-groups"]["checkout"]]
    lines += [line for name in ("bench", "report", "test") for line in extras[name]]
    return [line for line in lines if not line.startswith("farandole[")]


def resolve(
    python: Path, requirements: Sequence[str], options: Sequence[str] = (), *, install: bool = False
) -> dict[str, str]:
    """Name and version of everything that pip would install for these requirements."""
    command = [str(python), "-m", "pip", "install", "--quiet", *options, *requirements]
    if install:
        command += ["--upgrade"]
    else:
        command += ["--dry-run", "--ignore-installed", "--report", "-"]
    print(f"Resolving {len(requirements)} requirements ...", flush=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SetupError(f"pip could not resolve the requirements:\n{done.stderr.strip()}")
    if install:
        return {}
    chosen = [item["metadata"] for item in json.loads(done.stdout)["install"]]
    return {item["name"].lower().replace("_", "-"): item["version"] for item in chosen}


def write(path: Path, note: str, versions: dict[str, str]) -> None:
    path.write_text(HEAD.format(note) + "".join(f"{name}=={version}\n" for name, version in sorted(versions.items())))
    print(f"{path.name}: {len(versions)} versions")
