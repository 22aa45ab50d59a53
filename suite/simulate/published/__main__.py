"""`python -m suite.simulate.published [LAYERS.csv]`: fitted and predicted, apart, with signed errors.

LAYERS.csv: logs of GoogLeNet per layer with the columns of the shipped file, of whatever numbers of nodes; 2 are fitted.
"""

from __future__ import annotations

import sys
from pathlib import Path

from suite.simulate.published import everything, googlenet

if __name__ == "__main__":
    for check in googlenet.checks(Path(sys.argv[1])) if len(sys.argv) > 1 else everything():
        print("\n".join(check.lines()), end="\n\n")
