"""`python -m suite.horovod build` and `pack`, the same as `farandole horovod ...`."""

from __future__ import annotations

import sys

from suite.horovod.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
