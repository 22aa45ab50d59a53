"""`farandole horovod`, for the list of commands: `suite.__main__` runs it before any library is needed."""

from __future__ import annotations

import typer

from suite.horovod import command

EXAMPLE = command.EXAMPLE


def horovod(context: typer.Context) -> int:
    """Build Horovod for the frameworks of this environment (`build`), or pack what a machine without a network lacks."""
    return command.main(context.args)
