"""How commands end: 0 all well, 1 it ran and failed, 2 the input was bad."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
        raise BadInputError(str(error)) from error
