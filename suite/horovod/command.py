"""The command line of `farandole horovod`, without the libraries that the other commands use."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from suite.horovod import building
from suite.setup.wheel import SetupError

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
EXAMPLE = "Example: farandole horovod build --mpi off --jobs 2"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="farandole horovod", description="Horovod for this environment.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="build")
    build = actions.add_parser(
        "build",
        help="build and install Horovod against the PyTorch and TensorFlow that are installed here",
        description="Build Horovod from source against the PyTorch and TensorFlow of the environment that this Python "
        "belongs to, install it there, and let two ranks exchange a number. 3 to 10 minutes on two cores; the wheel is "
        "kept in your cache folder, so the same environment elsewhere takes seconds.",
        epilog=EXAMPLE,
    )
    build.add_argument("--mpi", choices=("auto", "on", "off"), default="auto", help="auto: where mpicxx is")
    build.add_argument("--jobs", type=_count, default=0, metavar="N", help="compilers at once; default: what fits")
    build.add_argument("--again", action="store_true", help="also where it works already, and without the kept wheel")
    chosen = parser.parse_args(arguments)
    try:
        building.build(building.Wish(mpi=chosen.mpi, jobs=chosen.jobs, again=chosen.again))
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
