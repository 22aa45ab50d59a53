"""`python -m suite.simulate.published`: fitted and predicted, apart, with signed errors."""

from __future__ import annotations

from suite.simulate.published import everything

if __name__ == "__main__":
    for check in everything():
        print("\n".join(check.lines()), end="\n\n")
