"""The command line of `farandole horovod`, without the libraries that the other commands use."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from suite.horovod import building, packing
from suite.setup import recipe
from suite.setup.wheel import SetupError

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
EXAMPLE = "Example: farandole horovod build --mpi off --jobs 2"
CPU = "nothing that lies on a GPU will travel; for a PyTorch for CUDA where there is no nvcc"
NCCL = "for what lies on GPUs; auto: where PyTorch has it; off: through main memory, so that ranks may share a GPU"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="farandole horovod", description="Horovod for this environment.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="build|pack")
    build = actions.add_parser(
        "build",
        help="build and install Horovod against the PyTorch and TensorFlow that are installed here",
        description="Build Horovod from source against the PyTorch and TensorFlow of the environment that this Python "
        "belongs to, install it there, and let two ranks exchange a number. 3 to 10 minutes on two cores; the wheel is "
        "kept in your cache folder, so the same environment elsewhere takes seconds.",
        epilog=EXAMPLE,
    )
    build.add_argument("--mpi", choices=("auto", "on", "off"), default="auto", help="auto: where mpicxx is")
    build.add_argument("--nccl", choices=("auto", "on", "off"), default="auto", help=NCCL)
    build.add_argument("--cpu", action="store_true", help=CPU)
    build.add_argument("--jobs", type=_count, default=0, metavar="N", help="compilers at once; default: what fits")
    build.add_argument("--again", action="store_true", help="also where it works already, and without the kept wheel")
    pack = actions.add_parser(
        "pack",
        help="one archive with all that a machine with PyTorch but without a network lacks",
        description="Pack this checkout, Horovod's source and the wheels that the harness and its tests need. On the other "
        "machine `bash unpack` builds Horovod for the PyTorch that is there: with Gloo, and with NCCL where it is found.",
        epilog="Example: farandole horovod pack --output /media/stick/farandole.tar.gz --python 3.12",
    )
    pack.add_argument("--output", type=Path, metavar="FILE.tar.gz", help="default: farandole-offline.tar.gz here")
    pack.add_argument(
        "--python", action="append", type=_python, help="of the other machine; default: 3.12 and this one's"
    )
    chosen = parser.parse_args(arguments)
    try:
        if chosen.action == "pack":
            usual = packing.Wish.usual()
            packing.pack(packing.Wish(chosen.output or usual.output, chosen.python or usual.pythons))
        else:
            if chosen.cpu and chosen.nccl == "on":
                build.error("--cpu and --nccl on exclude each other")
            building.build(building.Wish(chosen.mpi, chosen.nccl, chosen.cpu, chosen.jobs, chosen.again))
    except building.NotReadyError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("error: interrupted; run it again to go on", file=sys.stderr)
        return INTERRUPTED
    return OK


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be at least 1")
    return count


def _python(text: str) -> str:
    supported = [f"{major}.{minor}" for major, minor in recipe.SUPPORTED_PYTHONS]
    if text not in supported:
        raise argparse.ArgumentTypeError(f"{text}: must be one of {', '.join(supported)}")
    return text
