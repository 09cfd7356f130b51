"""What may stand in a query or a body wherever it means the same."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from assistance.routing import parse_moment


def _plain(value: str) -> str:
    # No database has it in a text, so nothing can be called that.
    if "\x00" in value:
        raise PydanticCustomError("assistance", "must not contain the character NUL")
    return value


def _moment(value: str) -> str:
    try:
        parse_moment(value)
    except ValueError:
        raise PydanticCustomError("assistance", "must be an instant like 2026-11-23T10:00+01:00") from None
    return value


Name = Annotated[str, AfterValidator(_plain), Field(max_length=255)]
"""What something is called, here or at the caller's."""

Moment = Annotated[str, AfterValidator(_moment)]
"""An instant in ISO 8601, with an offset; `parse_moment` reads it."""
