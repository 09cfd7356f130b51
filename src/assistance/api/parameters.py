"""What may stand in a query or a body wherever it means the same."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from assistance.routing import MOMENT, parse_moment


def _plain(value: str) -> str:
    # No database has it in a text, so nothing can be called that.
    if "\x00" in value:
        raise PydanticCustomError("assistance", "must not contain the character NUL")
    return value


def _moment(value: str) -> str:
    try:
        parse_moment(value)
    except ValueError:
        raise PydanticCustomError("assistance", f"must be {MOMENT}") from None
    return value


Name = Annotated[str, AfterValidator(_plain), Field(max_length=255, json_schema_extra={"pattern": r"^[^\u0000]*$"})]
"""What something is called, here or at the caller's."""

_DAY = r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?"
_INSTANT = rf"^(?:19[89]\d|20\d\d|21[0-8]\d)-{_DAY}T{_TIME}(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)$"

Moment = Annotated[
    str,
    AfterValidator(_moment),
    Field(json_schema_extra={"pattern": _INSTANT, "examples": ["2026-11-23T10:00+01:00"]}),
]
"""An instant in ISO 8601, with an offset; `parse_moment` reads it. The documented form is what is sure to be taken."""
