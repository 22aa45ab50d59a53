"""What every test process starts with."""

import os

# Ranks and frameworks share a few cores here: one thread each keeps results reproducible and the machine usable.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
