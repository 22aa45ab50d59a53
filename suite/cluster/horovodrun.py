"""The horovodrun command line, in one place; run as a file, horovodrun itself without a question it need not ask.

horovodrun imports TensorFlow in a process of its own only to hear whether Horovod has Gloo: three to ten seconds of every
launch on two cores. Our set-up always builds Gloo in, `doctor` looks after it, and a rank without it says so itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def horovodrun(
    ranks: int, places: Sequence[tuple[str, int]], argv: Sequence[str], options: Sequence[str] = ()
) -> list[str]:
    hosts = ",".join(f"{host}:{slots}" for host, slots in places)
    # -P: the folder of this file is no place to import from.
    return [sys.executable, "-P", __file__, "--gloo", "-np", str(ranks), "-H", hosts, *options, *argv]


def main() -> None:
    from horovod.runner import launch

    launch.gloo_built = lambda verbose=False: True
    launch.run_commandline()


if __name__ == "__main__":
    main()
