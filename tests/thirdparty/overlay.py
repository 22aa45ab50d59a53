"""Set up build/thirdparty: what `requirements.txt` names, over the packages of .venv, none of which changes."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
OVERLAY = ROOT / "build" / "thirdparty"
PYTHON = OVERLAY / "bin" / "python"


def main() -> None:
    """Run by .venv's Python."""
    stamp = OVERLAY / "installed.txt"
    beneath = {
        f"{found.name}=={found.version}" for found in distributions() if found.name and found.name != "farandole"
    }
    wanted = "\n".join([sys.version, REQUIREMENTS.read_text(), *sorted(beneath)])
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Installing the trainers of {REQUIREMENTS.relative_to(ROOT)} into {OVERLAY.relative_to(ROOT)}", flush=True)
    venv.create(OVERLAY, clear=True, with_pip=True, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(OVERLAY)}))
    (packages / "overlay.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    constraints = OVERLAY / "constraints.txt"
    constraints.write_text("\n".join(sorted(beneath)))
    subprocess.run([PYTHON, "-m", "pip", "install", "-q", "-r", REQUIREMENTS, "-c", constraints], check=True)
    stamp.write_text(wanted)


if __name__ == "__main__":
    main()
