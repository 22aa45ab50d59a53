"""What GPU there is for PyTorch, or in one line why there is none."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

# The driver that a CUDA release needs at least, from NVIDIA's table of minor-version compatibility.
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
STILL_WORKS = "`--cpu` runs every step on a CPU stand-in"


@dataclass(frozen=True)
class Device:
    """What PyTorch and the driver say; empty where they say nothing."""

    torch: str = ""
    cuda: str = ""  # that this PyTorch was built for
    cards: tuple[str, ...] = ()  # that PyTorch can use
    driver: str = ""
    seen: tuple[str, ...] = ()  # that the driver shows
    horovod: bool = True
    nccl: bool = False  # in Horovod
    trouble: str = ""

    def as_dict(self) -> dict[str, object]:
        return {name: value for name, value in asdict(self).items() if value}


def look(python: str = sys.executable) -> Device:
    """Ask PyTorch in a process of its own: a broken driver may end it."""
    driver, seen = _driver()
    try:
        command = [python, "-m", "suite.gpu.probe_torch"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        said = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        return Device(driver=driver, seen=seen, trouble=f"PyTorch and Horovod cannot be asked: {error}")
    return Device(driver=driver, seen=seen, **(said | {"cards": tuple(said["cards"])}))


def problem(found: Device) -> str:
    """Why nothing can run on a GPU here, with what still works; empty if something can."""
    if found.cards:
        return ""
    if found.trouble:
        return f"{found.trouble}; `farandole doctor` looks closer"
    if not found.cuda:
        return f"PyTorch {found.torch} is no build for CUDA; {STILL_WORKS}"
    needed = OLDEST_DRIVER.get(int(found.cuda.partition(".")[0]))
    if found.driver and needed is not None and _major(found.driver) < needed:
        return (
            f"driver {found.driver} is too old: PyTorch {found.torch} is built for CUDA {found.cuda}, which needs {needed} "
            f"or newer; {STILL_WORKS}"
        )
    if not found.seen:
        return f"the driver shows no GPU (nvidia-smi); {STILL_WORKS}"
    return f"the driver {found.driver} shows {found.seen[0]}, but PyTorch {found.torch} cannot use it; {STILL_WORKS}"


def lonely(found: Device) -> str:
    """Why two ranks cannot share what is here; empty if they can."""
    if not found.horovod:
        return "there is no Horovod here: `farandole horovod build`"
    if not found.nccl or len(found.cards) != 1:
        return ""
    return "NCCL refuses two ranks on one GPU: run this step with a Horovod from `farandole horovod build --nccl off`"


def _major(driver: str) -> int:
    found = re.match(r"\d+", driver)
    return int(found[0]) if found else 0


def _driver() -> tuple[str, tuple[str, ...]]:
    """The driver's version, and the names of its GPUs."""
    tool = shutil.which("nvidia-smi")
    lines = _lines([tool, "--query-gpu=driver_version,name", "--format=csv,noheader"]) if tool else []
    parts = [line.partition(",") for line in lines]
    return (parts[0][0].strip() if parts else ""), tuple(name.strip() for _, _, name in parts)


def _lines(command: Sequence[str]) -> list[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []
