"""`farandole doctor`"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from suite.cli.errors import FAILED, OK, BadInputError

EXAMPLE = "Example: farandole doctor --ranks 4"
SIGNS = {"ok": "[green]✓[/]", "note": "[yellow]![/]", "problem": "[red]✗[/]"}


def doctor(
    ranks: Annotated[int, typer.Option(help="How many ranks you mean to run on this machine.")] = 2,
    timeout: Annotated[float, typer.Option(help="Seconds that the test of each framework may take.")] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="For machines: one JSON object.")] = False,
) -> int:
    """Check this machine and installation, with two real ranks. Exit code 1 if something must be done."""
    for name, given in (("--ranks", ranks), ("--timeout", timeout)):
        if given <= 0:
            raise BadInputError(f"{name} {given:g}: must be greater than 0")
    from rich.console import Console
    from rich.table import Table

    from suite.doctor import Check, Status, examine

    console = Console(stderr=as_json)
    with console.status("looking at the machine") as status:
        found: list[Check] = list(examine(ranks, timeout, lambda what: status.update(f"trying {what}")))
    healthy = all(check.status is not Status.PROBLEM for check in found)
    if as_json:
        print(json.dumps({"healthy": healthy, "checks": [check.as_dict() for check in found]}, indent=1))
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        for column in ("sign", "name", "found"):
            table.add_column(column, overflow="fold")
        for check in found:
            advice = f"\n[dim]→ {check.advice}[/]" if check.advice else ""
            table.add_row(SIGNS[check.status], f"[bold]{check.name}[/]", f"{check.found}{advice}")
        console.print(table)
        problems = sum(check.status is Status.PROBLEM for check in found)
        console.print("All is well." if healthy else f"[red]{problems} of {len(found)} checks found a problem.[/]")
    return OK if healthy else FAILED
