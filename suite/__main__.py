"""`python -m suite`, also installed as `farandole`."""

from __future__ import annotations

import sys


def main() -> None:
    from suite.cli.app import run  # here, so that importing this module costs nothing

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
