"""Options by name, as people write them: checked by pydantic and refused in one line."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from algorithms.mechanisms.suggest import did_you_mean


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Chosen = TypeVar("Chosen", bound=Options)


def parse(schema: type[Chosen], what: str, given: Mapping[str, object]) -> Chosen:
    """`given` as a checked `schema`; an unknown name is answered with the nearest known one."""
    known = sorted(schema.model_fields)
    for name in given:
        if name not in schema.model_fields:
            hint = did_you_mean(name, known, " ({})")
            raise ValueError(f"{what} has no option {name!r}{hint}; it has {', '.join(known) or 'no options'}")
    try:
        return schema.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{what}, option {where} = {first['input']!r}: {first['msg'].lower()}") from error
