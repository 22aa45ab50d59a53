"""Other people's published step times, fitted on few workers and predicted for more."""

from __future__ import annotations

from suite.simulate.published.check import Check


def everything() -> list[Check]:
    """All sources, fitted anew."""
    from suite.simulate.published import ddl, googlenet, tensorflow_benchmarks, theano

    return [one for source in (ddl, googlenet, theano, tensorflow_benchmarks) for one in source.checks()]
