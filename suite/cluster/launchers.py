"""The same job for launchers other than horovodrun, as text to run or to apply. Nothing here runs anything."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from suite.cluster.host_file import Place
from suite.cluster.hosts import occupied

Launcher = Literal["mpirun", "slurm", "kubernetes"]
LAUNCHERS: tuple[Launcher, ...] = ("mpirun", "slurm", "kubernetes")

NEEDS_MPI = "needs a Horovod built with MPI (HOROVOD_WITH_MPI=1); `horovodrun --check-build` shows it"


def mpirun(places: Sequence[Place], ranks: int, argv: Sequence[str], environment: Mapping[str, str]) -> str:
    """Open MPI with the options of Horovod's own documentation (docs/mpi.rst)."""
    used = occupied(places, ranks)
    command = ["mpirun", "-np", str(ranks), "-H", ",".join(f"{place.name}:{place.slots}" for place in used)]
    # No binding, or all threads of a rank share one core; plain TCP instead of openib, which Horovod found unreliable.
    command += ["-bind-to", "none", "-map-by", "slot", "-mca", "pml", "ob1", "-mca", "btl", "^openib"]
    for name in ("PATH", "LD_LIBRARY_PATH"):
        command += ["-x", name]
    for name, value in environment.items():
        command += ["-x", f"{name}={value}"]
    return f"# {NEEDS_MPI}\n{shlex.join([*command, *argv])}\n"


def slurm(places: Sequence[Place], ranks: int, argv: Sequence[str], environment: Mapping[str, str]) -> str:
    """A script for `sbatch`, whose last line also runs by itself."""
    used = occupied(places, ranks)
    if len({place.slots for place in used}) != 1:
        described = ", ".join(f"{place.name}:{place.slots}" for place in used)
        raise ValueError(f"srun places equally many ranks on every node, but {ranks} ranks are {described}")
    asked = [f"--nodes={len(used)}", f"--ntasks={ranks}", f"--ntasks-per-node={used[0].slots}"]
    asked.append(f"--nodelist={','.join(place.name for place in used)}")
    exported = ["ALL", *(f"{name}={value}" for name, value in environment.items())]
    command = ["srun", "--mpi=pmix", *asked, f"--export={','.join(exported)}", *argv]
    head = ["#!/bin/sh", *(f"#SBATCH {option}" for option in asked)]  # Slurm reads them up to the first command
    return "\n".join([*head, f"# {NEEDS_MPI}, and a Slurm with PMIx", shlex.join(command)]) + "\n"


def kubernetes(
    workers: int, slots: int, argv: Sequence[str], environment: Mapping[str, str], *, image: str, name: str
) -> str:
    """A manifest for kubeflow's MPI operator (v2beta1). JSON, which `kubectl apply` reads as well as YAML.

    Its launcher has ssh to the workers and a host file, which is all that horovodrun with Gloo needs: no MPI build.
    The image must run sshd, as the operator's own base images do.
    """
    if workers < 1 or slots < 1:
        raise ValueError(f"workers is {workers} and slots is {slots}, both must be at least 1")
    variables = [{"name": key, "value": value} for key, value in environment.items()]
    launch = ["horovodrun", "--gloo", "-np", str(workers * slots), "--hostfile", "/etc/mpi/hostfile", *argv]

    def pod(container: str, command: list[str]) -> dict[str, Any]:
        content: dict[str, Any] = {"name": container, "image": image, "command": command, "env": variables}
        return {"spec": {"containers": [content]}}

    manifest = {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {"name": name},
        "spec": {
            "slotsPerWorker": slots,
            "runPolicy": {"cleanPodPolicy": "Running", "backoffLimit": 0},
            "mpiReplicaSpecs": {
                "Launcher": {"replicas": 1, "restartPolicy": "Never", "template": pod("launcher", launch)},
                "Worker": {
                    "replicas": workers,
                    "restartPolicy": "Never",
                    "template": pod("worker", ["/usr/sbin/sshd", "-De"]),
                },
            },
        },
    }
    return json.dumps(manifest, indent=2) + "\n"
