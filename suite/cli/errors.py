"""How commands end: 0 all well, 1 it ran and failed, 2 the input was bad."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class BadInputError(Exception):
    """What the user wrote cannot be done; the message is one line with the value, what is allowed and the nearest match."""


class FailedError(Exception):
    """The command ran and failed; the message says at what."""


@contextmanager
def input_errors() -> Iterator[None]:
    """Around the part of a command that makes sense of its input: a ValueError there is the user's, not ours."""
    try:
        yield
    except ValueError as error:
        from pydantic import ValidationError

        raise BadInputError(_told(error) if isinstance(error, ValidationError) else str(error)) from error


def _told(error: ValidationError) -> str:
    """Fields as options, and what parts of the suite say as they say it."""
    parts = []
    for one in error.errors():
        name = "--" + "-".join(str(part) for part in one["loc"][-1:]).replace("_", "-") if one["loc"] else ""
        if "ctx" in one and "error" in one["ctx"]:
            parts.append(str(one["ctx"]["error"]))
        else:
            parts.append(f"{name} {one['input']!r}: {one['msg'][0].lower()}{one['msg'][1:]}".strip())
    return "; ".join(parts)
