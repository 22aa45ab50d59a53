"""What a binding stands on, or the one command that brings it."""

from __future__ import annotations

import importlib


def require(module: str, what: str, remedy: str) -> None:
    """Import it; where it cannot be, say so in words that help."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{what} cannot be imported ({error}).\n  What to do: {remedy}") from error


def horovod_for(framework: str, module: str) -> None:
    require(
        module,
        f"Horovod for {framework}",
        "`farandole horovod build` builds it against what is installed here (before that command is there: "
        "`python -m suite.horovod build` in a checkout of farandole)",
    )
