"""What every test process starts with."""

import os

from hypothesis import settings

# Ranks and frameworks share a few cores here: one thread each keeps results reproducible and the machine usable.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A slow moment of a shared machine is not a failure (pytest's own time limit ends what hangs), and the same code gets the
# same examples each time; `pytest --hypothesis-profile=default` looks for new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
