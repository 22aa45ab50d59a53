"""All commands, and what the process answers when one of them does not end well."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import typer

from algorithms.mechanisms.suggest import unknown
from suite.cli import (
    advise,
    bench,
    calibrate,
    command,
    compare,
    doctor,
    gpu_check,
    horovod,
    listing,
    predict,
    profile,
    records,
    report,
    train,
)
from suite.cli.errors import BAD_INPUT, FAILED, INTERRUPTED, OK, BadInputError, FailedError

app = typer.Typer(
    name="farandole",
    help="Train with, measure and compare distributed gradient-descent algorithms on Horovod.",
    epilog="Start with `farandole doctor`, then `farandole bench quick`. Every command has --help with an example.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
app.command("horovod", epilog=horovod.EXAMPLE, context_settings={"ignore_unknown_options": True})(horovod.horovod)
app.command("list", epilog=listing.EXAMPLE)(listing.list_what_there_is)
app.command("train", epilog=train.EXAMPLE)(train.train)
app.command("profile", epilog=profile.EXAMPLE)(profile.profile)
app.command("gpu-check", epilog=gpu_check.EXAMPLE)(gpu_check.gpu_check)
app.command("calibrate", epilog=calibrate.EXAMPLE)(calibrate.calibrate)
app.command("advise", epilog=advise.EXAMPLE)(advise.advise)
app.command("predict", epilog=predict.EXAMPLE)(predict.predict)
app.command("bench", epilog=bench.EXAMPLE)(bench.bench)
app.command("command", epilog=command.EXAMPLE)(command.command)
app.command("report", epilog=report.EXAMPLE)(report.report)
app.command("compare", epilog=compare.EXAMPLE)(compare.compare)
app.add_typer(records.app, name="records", epilog=records.EXAMPLE)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code."""
    everything = typer.main.get_command(app)
    try:
        check_names(everything, arguments)
        result = everything.main(args=list(arguments), prog_name="farandole", standalone_mode=False)
    except BadInputError as error:
        return _say(str(error), BAD_INPUT)
    except typer.TyperException as error:
        return _say(with_value(error.format_message(), arguments), error.exit_code)
    except FailedError as error:
        return _say(str(error), FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # else Python complains about it while it ends
        return FAILED
    return result if isinstance(result, int) else OK


def check_names(chosen: Any, arguments: Sequence[str]) -> None:
    """Refuse commands and options that do not exist, with what there is and the nearest."""
    words = list(arguments)
    words = words[: words.index("--")] if "--" in words else words
    while words and not words[0].startswith("-"):
        commands = getattr(chosen, "commands", None)
        if not commands:
            break
        if words[0] not in commands:
            raise BadInputError(unknown("command", words[0], commands))
        chosen = commands[words.pop(0)]
    known = [name for parameter in chosen.params for name in (*parameter.opts, *parameter.secondary_opts)]
    known = [name for name in known if name.startswith("-")] + ["--help", "-h"]
    for word in words:
        name = word.split("=")[0]
        if name.startswith("--") and name not in known:
            allowed = sorted({name for name in known if name.startswith("--")})
            raise BadInputError(unknown(f"option of {chosen.name}", name, allowed))


def with_value(message: str, arguments: Sequence[str]) -> str:
    """Typer names the option that got a wrong value, but not the value."""
    found = re.match(r"Invalid value for '(--[\w-]+)'", message)
    for place, word in enumerate(arguments):
        if found and word.split("=")[0] == found[1]:
            given = word.partition("=")[2] if "=" in word else next(iter(arguments[place + 1 : place + 2]), "")
            return message.replace(found[0], f"{found[0]}, {given!r}", 1)
    return message


def _say(message: str, code: int) -> int:
    if message:
        print(f"error: {message}", file=sys.stderr)
    return code
