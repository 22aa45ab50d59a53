"""The horovodrun command line, in one place; run as a file, horovodrun itself without a question it need not ask.

horovodrun imports TensorFlow in a process of its own only to hear whether Horovod has Gloo: three to ten seconds of every
launch on two cores. Our set-up always builds Gloo in, `doctor` looks after it, and a rank without it says so itself.
MPI is asked for by Adasum alone and is there only where it was wished for, so that question stays.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence


def horovodrun(
    ranks: int,
    places: Sequence[tuple[str, int]],
    argv: Sequence[str],
    options: Sequence[str] = (),
    *,
    interfaces: Sequence[str] = (),
    mpi: bool = False,
) -> list[str]:
    if interfaces and len(places) > 1:  # ranks of one host meet over its loopback; horovodrun refuses any other there
        options = ["--network-interfaces", ",".join(interfaces), *options]
    hosts = ",".join(f"{host}:{slots}" for host, slots in places)
    controller = "--mpi" if mpi else "--gloo"
    # -P: the folder of this file is no place to import from.
    return [sys.executable, "-P", __file__, controller, "-np", str(ranks), "-H", hosts, *options, *argv]


def elastic_horovodrun(ranks: int, options: Sequence[str], argv: Sequence[str]) -> list[str]:
    """`options` say where hosts are found, and how many ranks there may be."""
    return [sys.executable, "-P", __file__, "--gloo", "-np", str(ranks), *options, *argv]


def main() -> None:
    from horovod.runner import launch

    launch.gloo_built = lambda verbose=False: True
    if sys.argv[1] == "--mpi":
        if not (launch.mpi_built() and shutil.which("mpirun")):
            sys.exit("Adasum needs MPI: install Open MPI, then build Horovod with it by `make setup MPI=on`")
        launch.mpi_built = lambda verbose=False: True
        # Open MPI waits by spinning; where ranks outnumber cores, they must let each other run.
        os.environ.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")
    launch.run_commandline()


if __name__ == "__main__":
    main()
