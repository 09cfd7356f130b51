"""What a bot may send: the body of `POST /assistance`."""

import json
import math
import re
from contextlib import suppress
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic.networks import AnyHttpUrl
from pydantic_core import PydanticCustomError

from assistance.model import Customer, Link, Priority

MAX_DESCRIPTION = 10_000
_MAX_METADATA = 4 * 1024
_MONTH = 30 * 86_400
_url = TypeAdapter(AnyHttpUrl)


def _wrong(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("assistance", sentence)


def _without_nul(value: str) -> str:
    # No database stores NUL in a text, and no provider takes it.
    if "\x00" in value:
        raise _wrong("must not contain the character NUL")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise _wrong("must contain a character that is not white space")
    return value


def _http(value: str) -> str:
    # The library also reads `http:host`, and URLs with white space around them.
    if re.match(r"https?://[^\s/]", value, re.IGNORECASE) and not re.search(r"\s", value):
        with suppress(ValidationError):
            _url.validate_python(value)
            return value
    raise _wrong("must be an http or https URL")


def _scalar(value: object) -> object:
    if isinstance(value, str):
        return _without_nul(value)
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise _wrong("must be text, a finite number, true, false or null")


def _small(value: dict[str, Any]) -> dict[str, Any]:
    # Measured as it was sent but for white space between its parts, whatever the caller's library escapes.
    if len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) > _MAX_METADATA:
        raise _wrong("must not be larger than 4 KB")
    return value


def _whole(value: object) -> object:
    """In JSON 60.0 is an integer too (JSON Schema 2020-12, section 4.2.3)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _or_normal(value: object) -> object:
    return Priority.NORMAL if value is None else value


def _text(most: int, least: int | None = None) -> Any:
    """How many characters a text may have."""
    return Field(min_length=least, max_length=most)


WithoutNul = AfterValidator(_without_nul)
Short = Annotated[StrictStr, _text(200), WithoutNul]
Said = Annotated[
    StrictStr,
    Field(min_length=1, max_length=MAX_DESCRIPTION, json_schema_extra={"pattern": r"\S"}),
    WithoutNul,
    AfterValidator(_not_blank),
]
"""What the customer or an agent says: 1 to 10,000 characters, one at least not white space, kept as sent."""
Urgency = Annotated[Priority, BeforeValidator(_or_normal, json_schema_input_type=Priority | None)]
"""A priority; null is the normal one."""
Scalar = Annotated[Any, PlainValidator(_scalar)]
Metadata = Annotated[
    dict[Short, Scalar],
    AfterValidator(_small),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"maxLength": 200},
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        }
    ),
]
"""The bot's own fields: names, each with one value."""


class _Lenient(BaseModel):
    """Unknown fields never refuse a request: they are left out, and named in the answer."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)


class AskCustomer(_Lenient):
    """Who waits."""

    name: Short | None = None
    email: Annotated[StrictStr, _text(320), WithoutNul] | None = None
    phone: Short | None = None
    locale: Short | None = None
    timezone: Short | None = None


class AskLink(_Lenient):
    """A page that helps the agent who claims the request."""

    label: Annotated[StrictStr, _text(200, 1), WithoutNul]
    url: Annotated[
        StrictStr,
        Field(max_length=2_083, json_schema_extra={"format": "uri", "pattern": r"^https?://[^\s/]\S*$"}),
        WithoutNul,
        AfterValidator(_http),
    ]


class Ask(_Lenient):
    """A customer asks for a person."""

    topic: Annotated[
        Annotated[StrictStr, _text(100, 1), WithoutNul],
        Field(description="What it is about, in any case of letters."),
    ]
    description: Annotated[Said, Field(description="What the customer wants; people read it as it is.")]
    conversation_id: Annotated[
        Annotated[StrictStr, _text(255, 1), WithoutNul] | None,
        Field(
            description="The same for all of one conversation: while its request is open, more of it is a follow-up."
        ),
    ] = None
    customer: AskCustomer | None = None
    links: Annotated[list[AskLink], Field(max_length=20)] | None = None
    priority: Annotated[Urgency, Field(description="urgent goes first in every lane.")] = Priority.NORMAL
    callback: Annotated[Short | None, Field(description="The name of a callback registered for this client.")] = None
    metadata: Annotated[
        Metadata | None,
        Field(description="The bot's own, flat, up to 4 KB; comes back in every answer."),
    ] = None
    expires_in: Annotated[
        Annotated[StrictInt, Field(ge=1, le=_MONTH), BeforeValidator(_whole)] | None,
        Field(description="Seconds after which nobody needs to answer any more."),
    ] = None

    def ignored(self) -> list[str]:
        """The names of the unknown fields: `colour`, `customer.age`, `links.0.title`."""
        names = list(self.__pydantic_extra__ or ())
        if self.customer is not None:
            names += [f"customer.{name}" for name in self.customer.__pydantic_extra__ or ()]
        for index, link in enumerate(self.links or ()):
            names += [f"links.{index}.{name}" for name in link.__pydantic_extra__ or ()]
        return names

    def who(self) -> Customer | None:
        """The customer as the model has it."""
        known = self.customer
        if known is None:
            return None
        return Customer(known.name, known.email, known.phone, known.locale, known.timezone)

    def pages(self) -> tuple[Link, ...]:
        """The links as the model has them."""
        return tuple(Link(link.label, link.url) for link in self.links or ())
