"""`python3 suite/setup [--gpu] [--mpi auto|on|off]` makes .venv; `python3 suite/setup lock` renews the pinned versions."""

# Old syntax on purpose: an old Python must get as far as the message below.
import os.path
import sys

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "setup: Python {}.{} is too old: version 3.11, 3.12 or 3.13 is needed.\n"
        "  What to do: install one and say `make setup PYTHON=python3.11`".format(*sys.version_info[:2])
    )

sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120

from suite.setup.install import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
