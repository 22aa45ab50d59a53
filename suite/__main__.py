"""`python -m suite`, also installed as `farandole`."""

from __future__ import annotations

import sys

BAD_INPUT = 2


def main() -> None:
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    if arguments[:1] == ["horovod"]:  # before the libraries that the other commands use are there
        from suite.horovod.command import main as horovod

        return horovod(arguments[1:])
    try:
        from suite.cli.app import run as command  # here, so that importing this module costs nothing
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("suite", "algorithms"):
            raise
        print(f"error: {error.name} is missing; pip install 'farandole[bench,report]'", file=sys.stderr)
        return BAD_INPUT
    return command(arguments)


if __name__ == "__main__":
    main()
