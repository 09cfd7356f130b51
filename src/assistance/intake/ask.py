"""What a bot may send: the body of `POST /assistance`."""

import json
import math
import re
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
_http_url = TypeAdapter(AnyHttpUrl)


def _sound(value: str) -> str:
    if "\x00" in value:
        raise PydanticCustomError("assistance", "must not contain the character NUL")
    return value


def _said(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("assistance", "must contain a character that is not white space")
    return value


def _web(value: str) -> str:
    # The library also reads `http:host`, and URLs with white space around them.
    wrong = PydanticCustomError("assistance", "must be an http or https URL")
    if not re.match(r"https?://[^\s/]", value, re.IGNORECASE) or re.search(r"\s", value):
        raise wrong
    try:
        _http_url.validate_python(value)
    except ValidationError:
        raise wrong from None
    return value


def _scalar(value: object) -> object:
    if isinstance(value, str):
        return _sound(value)
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise PydanticCustomError("assistance", "must be text, a finite number, true, false or null")


def _small(value: dict[str, Any]) -> dict[str, Any]:
    # As it was sent but for white space between its parts, whatever the caller's library escapes.
    if len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) > _MAX_METADATA:
        raise PydanticCustomError("assistance", "must not be larger than 4 KB")
    return value


def _whole(value: object) -> object:
    """In JSON 60.0 is an integer too (JSON Schema 2020-12, section 4.2.3)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _normal(value: object) -> object:
    return Priority.NORMAL if value is None else value


_Sound = AfterValidator(_sound)
Short = Annotated[StrictStr, Field(max_length=200), _Sound]
Said = Annotated[
    StrictStr,
    Field(min_length=1, max_length=MAX_DESCRIPTION, json_schema_extra={"pattern": r"\S"}),
    _Sound,
    AfterValidator(_said),
]
"""What a customer says: 1 to 10,000 characters, one at least not white space, kept as sent."""
Urgency = Annotated[Priority, BeforeValidator(_normal, json_schema_input_type=Priority | None)]
"""How urgent it is; null is as good as nothing."""
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
"""What is the bot's own: names, and a value each."""


class _Lenient(BaseModel):
    """A field that is not known never costs a customer: it is kept aside and named in the answer."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)


class AskCustomer(_Lenient):
    """Who waits."""

    name: Short | None = None
    email: Annotated[StrictStr, Field(max_length=320), _Sound] | None = None
    phone: Short | None = None
    locale: Short | None = None
    timezone: Short | None = None


class AskLink(_Lenient):
    """A page that helps whoever takes the request."""

    label: Annotated[StrictStr, Field(min_length=1, max_length=200), _Sound]
    url: Annotated[
        StrictStr,
        Field(max_length=2_083, json_schema_extra={"format": "uri", "pattern": r"^https?://[^\s/]\S*$"}),
        _Sound,
        AfterValidator(_web),
    ]


class Ask(_Lenient):
    """A customer asks for a person."""

    topic: Annotated[
        Annotated[StrictStr, Field(min_length=1, max_length=100), _Sound],
        Field(description="What it is about, in any case of letters."),
    ]
    description: Annotated[Said, Field(description="What the customer wants, in words that people will read.")]
    conversation_id: Annotated[
        Annotated[StrictStr, Field(min_length=1, max_length=255), _Sound] | None,
        Field(description="The same for every ask of one conversation: a second ask follows up the first."),
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
        """The names of the fields that nobody knows: `colour`, `customer.age`, `links.0.title`."""
        names = list(self.__pydantic_extra__ or ())
        if self.customer is not None:
            names += [f"customer.{name}" for name in self.customer.__pydantic_extra__ or ()]
        for place, link in enumerate(self.links or ()):
            names += [f"links.{place}.{name}" for name in link.__pydantic_extra__ or ()]
        return names

    def who(self) -> Customer | None:
        """The customer as the rest of the house knows one."""
        known = self.customer
        if known is None:
            return None
        return Customer(known.name, known.email, known.phone, known.locale, known.timezone)

    def pages(self) -> tuple[Link, ...]:
        """The links as the rest of the house knows them."""
        return tuple(Link(link.label, link.url) for link in self.links or ())
