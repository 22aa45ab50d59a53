"""`farandole command`"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from suite.cli.errors import OK, BadInputError, input_errors
from suite.cli.options import one_of

EXAMPLE = (
    "Example: farandole command slurm --hosts machines --ranks 8 -- python -m suite train --model alexnet --algorithm "
    "delayed --set steps=1"
)
LAUNCHERS = ("horovodrun", "mpirun", "slurm", "kubernetes")
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def command(
    launcher: Annotated[str, typer.Argument(metavar="[" + "|".join(LAUNCHERS) + "]")],
    argv: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What every rank runs.")],
    hosts: Annotated[Path | None, typer.Option(help="Host file, `name slots=N` per line; kubernetes: none.")] = None,
    ranks: Annotated[int | None, typer.Option(help="How many; default: all slots.")] = None,
    workers: Annotated[int, typer.Option(help="Kubernetes: pods.")] = 2,
    slots: Annotated[int, typer.Option(help="Kubernetes: ranks in a pod.")] = 1,
    image: Annotated[str | None, typer.Option(help="Kubernetes: the container image, with this suite in it.")] = None,
    name: Annotated[str, typer.Option(help="Kubernetes: the job's name.")] = "farandole",
    interface: Annotated[list[str] | None, typer.Option(help="horovodrun: network interface; repeatable.")] = None,
    ssh_port: Annotated[int | None, typer.Option(help="horovodrun: where the hosts' ssh listens.")] = None,
) -> int:
    """Print the exact command line (or manifest) that starts a job with another launcher. Runs nothing."""
    from suite.cluster import Hosts, launchers
    from suite.cluster.contract import ClusterError
    from suite.cluster.host_file import read

    one_of("launcher", launcher, LAUNCHERS)
    if launcher == "kubernetes":
        if image is None:
            raise BadInputError("kubernetes needs --image, a container image with this suite in it")
        with input_errors():
            print(launchers.kubernetes(workers, slots, argv, ENVIRONMENT, image=image, name=name), end="")
        return OK
    if hosts is None:
        raise BadInputError(f"{launcher} needs --hosts, a host file with lines like `node1 slots=4`")
    with input_errors():
        places = read(hosts)
        count = ranks if ranks is not None else sum(place.slots for place in places)
        if launcher == "horovodrun":
            try:
                line = Hosts(hosts, tuple(interface or ()), ssh_port).command(count, argv)
            except ClusterError as error:
                raise BadInputError(str(error)) from error
            print(shlex.join([*(f"{key}={value}" for key, value in ENVIRONMENT.items()), *line]))
        else:
            write = launchers.mpirun if launcher == "mpirun" else launchers.slurm
            print(write(places, count, argv, ENVIRONMENT), end="")
    return OK
