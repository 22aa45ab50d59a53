"""Where the CUDA toolkit and NCCL are, for a Horovod that knows what lies on a GPU."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from suite.setup.recipe import Gpu, Nccl
from suite.setup.wheel import SetupError

SYSTEM = (  # headers and libraries, where a distribution's package or a container image puts them
    (Path("/usr/include"), Path("/usr/lib/x86_64-linux-gnu")),
    (Path("/usr/local/cuda/include"), Path("/usr/local/cuda/lib64")),
)


def toolkit(nvcc: str) -> Path:
    folder = Path(nvcc).resolve().parents[1]
    if not (folder / "include" / "cuda_runtime.h").exists():
        raise SetupError(
            f"{nvcc} does not lie in a CUDA toolkit.\n  What to do: set CUDA_HOME to the toolkit's folder."
        )
    return folder


def find_nccl(packages: Path, system: Iterable[tuple[Path, Path]] = SYSTEM) -> tuple[Path, Path] | None:
    """The folder of NCCL's headers, and its library. Before the system's comes the one beside torch in `packages`, which
    torch itself loads: two different ones in one process would not get along."""
    beside = packages / "nvidia" / "nccl"
    for include, libraries in ((beside / "include", beside / "lib"), *system):
        library = next(iter(sorted(libraries.glob("libnccl.so.*"))), None)
        if library is not None and (include / "nccl.h").exists():
            return include, library
    return None


def linkable(nccl: tuple[Path, Path], tools: Path) -> Nccl:
    """With a link in `tools` by the name that a linker looks for, which is not in the wheel."""
    include, library = nccl
    tools.mkdir(parents=True, exist_ok=True)
    link = tools / "libnccl.so"
    link.unlink(missing_ok=True)
    link.symlink_to(library)
    return Nccl(include, tools)


def gpu(nvcc: str, nccl: tuple[Path, Path] | None, tools: Path) -> Gpu:
    """What Horovod's build is told. Without NCCL what lies on a GPU travels through main memory."""
    return Gpu(toolkit(nvcc), None if nccl is None else linkable(nccl, tools))
