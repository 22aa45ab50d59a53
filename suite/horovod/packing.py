"""`farandole horovod pack`: all that a machine without a network lacks, as one archive."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.horovod import manifest
from suite.horovod.building import BUILD_TOOLS, NotReadyError
from suite.setup import recipe
from suite.setup.wheel import SetupError

PROJECT = recipe.HERE.parents[1]
FOLDER = "farandole-offline"
LIMIT = 60_000_000  # bytes of the archive: what such a machine can be handed is often no more than that
# What the harness and the tests of PyTorch on ranks import. NumPy comes with the PyTorch that is there; reports, Parquet
# and stragglers drawn from distributions, whose libraries weigh 100 MB, are for a machine that has them.
NEEDED = ("filelock", "psutil", "pydantic>=2", "pyroute2", "rich", "typer", "pytest>=8", "pytest-timeout", "hypothesis")
LEFT_OUT = ("reports/", ".ci/")  # reference records and their pages: they are looked at elsewhere
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "linux_x86_64")


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    output: Path
    pythons: Sequence[str]  # as `3.12`

    @classmethod
    def usual(cls) -> Wish:
        """For the Python of most such machines, and for this one."""
        here = f"{sys.version_info[0]}.{sys.version_info[1]}"
        return cls(Path(f"{FOLDER}.tar.gz"), tuple(dict.fromkeys(("3.12", here))))


def pack(wish: Wish) -> None:
    if not wish.output.parent.is_dir():
        raise NotReadyError(f"--output {wish.output}: there is no folder {wish.output.parent}")
    with tempfile.TemporaryDirectory(prefix="farandole-pack-") as scratch:
        print(f"Fetching Horovod's source and wheels for Python {', '.join(wish.pythons)} ...", flush=True)
        fetch(Path(scratch), wish.pythons)
        files = [("unpack", (Path(__file__).parent / "unpack").read_bytes())]
        files += [(f"project/{name}", content) for name, content in project_files(PROJECT)]
        files += [(f"wheels/{path.name}", path.read_bytes()) for path in sorted(Path(scratch).iterdir())]
    packed = archive(files)
    if len(packed) > LIMIT:
        raise SetupError(
            f"the archive would have {len(packed) / 1e6:.1f} MB, more than {LIMIT / 1e6:.0f} MB.\n"
            "  What to do: pack for one Python: `farandole horovod pack --python 3.12`."
        )
    arriving = wish.output.with_name(f".{wish.output.name}.{os.getpid()}")
    arriving.write_bytes(packed)
    arriving.replace(wish.output)
    print(f"{wish.output}: {len(packed) / 1e6:.1f} MB, for Linux on x86-64 and Python {', '.join(wish.pythons)}.")
    print(f"On the other machine: tar xzf {wish.output.name} && bash {FOLDER}/unpack")


def fetch(folder: Path, pythons: Sequence[str]) -> None:
    """Horovod's source, and for each Python the wheels at the versions that set-up pins."""
    pinned = recipe.PINS.read_text()
    horovod = f"horovod=={recipe.pinned(pinned, 'horovod')}"
    with tempfile.TemporaryDirectory(prefix="farandole-build-tools-") as tools:
        _pip("install", "--target", tools, *BUILD_TOOLS)  # the source says what it is only to who has them
        source = ("--no-deps", "--no-binary", "horovod", "--no-build-isolation")
        _pip("download", "--dest", str(folder), *source, horovod, path=tools)
    wanted = (*NEEDED, *BUILD_TOOLS, *_cmake())
    for python in pythons:
        target = ["--python-version", python, "--implementation", "cp", "--only-binary", ":all:"]
        target += [word for platform in PLATFORMS for word in ("--platform", platform)]
        _pip("download", "--dest", str(folder), *target, "--constraint", str(recipe.PINS), *wanted)


def _cmake() -> list[str]:
    return [line for line in recipe.CMAKE_PINS.read_text().splitlines() if line.startswith("cmake==")]


def _pip(*arguments: str, path: str = "") -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    environment = {**os.environ, "PYTHONPATH": path} if path else None
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()[-3:]
        raise SetupError("what is to be packed could not be fetched:\n    " + "\n    ".join(lines))


def project_files(project: Path) -> Iterator[tuple[str, bytes]]:
    """What git tracks, as it lies here now."""
    try:
        command = ["git", "-C", str(project), "ls-files", "-z"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotReadyError(f"pack works in a checkout of farandole, and {project} is none that git knows") from error
    for name in listed.split("\0"):
        if name and not name.startswith(LEFT_OUT) and (project / name).is_file():
            yield name, (project / name).read_bytes()


def archive(files: Sequence[tuple[str, bytes]]) -> bytes:
    """The same bytes whenever and by whomever the same files are packed."""
    sums = manifest.written(files).encode()
    target = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=target, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as packed,
    ):
        for name, content in ((manifest.NAME, sums), *files):
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mode = len(content), 0o644
            packed.addfile(entry, io.BytesIO(content))
    return target.getvalue()
