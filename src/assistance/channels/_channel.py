"""What a channel is, and what it can do beyond sending."""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Protocol, runtime_checkable

from pydantic import AnyUrl, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from assistance.model import Message
from assistance.outgoing import Http, is_loopback
from assistance.settings import Secret

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(value: object) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|d)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is a number and a unit: 30s, 5m, 72h, 7d")
    return float(match[1]) * _UNITS[match[2]]


def _per_second(value: object) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)/(s|m|h)", value) if isinstance(value, str) else None
    if match is None or float(match[1]) == 0:
        raise ValueError("a pace is a number above zero per unit: 1/s, 20/m")
    return float(match[1]) / _UNITS[match[2]]


Duration = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str)]
"""Seconds, written `30s`, `5m`, `72h` or `7d`."""

Pace = Annotated[float, BeforeValidator(_per_second, json_schema_input_type=str)]
"""Messages per second, written `1/s` or `20/m`."""


class Channel(BaseModel):
    """One way to reach people. Its fields are its settings in the routing file.

    `send` is all that a channel must have. Retries, pace, time-outs, logs and spans belong to the dispatcher. What else
    it can do, it says by having the method of `CanReply`, `CanUpdate` or `CanProbe`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, validate_default=True)

    default_pace: ClassVar[float | None] = None
    """The provider's limit, messages per second."""
    concurrency: ClassVar[int] = 16
    """The number of sends at the same time."""
    person: ClassVar[bool] = True
    """Whether a person reads what arrives there."""

    pace: Pace | None = Field(default=None, description="Messages per second at most; default: the provider's limit.")
    retry_for: Duration = Field(default="72h", description="How long a message is tried, time parked not counted.")  # type: ignore[assignment]

    async def send(self, message: Message, http: Http) -> str | None:
        """Send it; returns the provider's reference of the message, if there is one.

        Raises:
            TryLater: it may work later.
            Misconfigured: the channel's settings are wrong.
            Undeliverable: this message will never be accepted.
        """
        raise NotImplementedError

    @field_validator("*")
    @classmethod
    def _encrypted(cls, value: object) -> object:
        """Clear text: refuse plain http off this machine when the file is read, not when a message is sent."""
        if isinstance(value, AnyUrl) and value.scheme == "http" and not is_loopback(value.host or ""):
            raise ValueError("https is required, plain http is for loopback addresses only")
        return value

    @property
    def messages_per_second(self) -> float | None:
        """The pace in force, None for no limit."""
        return self.pace if self.pace is not None else self.default_pace

    def secrets(self) -> Iterator[Secret]:
        """Every secret among the settings."""
        for field in type(self).model_fields:
            value = getattr(self, field)
            for item in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(item, Secret):
                    yield item


@runtime_checkable
class CanReply(Protocol):
    """A channel that can post below a message of its own, in a thread."""

    async def reply_to(self, thread: str, message: Message, http: Http) -> str | None:
        """Post `message` below the one whose reference is `thread`; returns and raises as `Channel.send` does."""
        ...


@runtime_checkable
class CanUpdate(Protocol):
    """A channel that can rewrite a message of its own."""

    async def update(self, reference: str, message: Message, http: Http) -> None:
        """Replace the message with this reference by `message`; raises as `Channel.send` does."""
        ...


@runtime_checkable
class CanProbe(Protocol):
    """A channel that can check its credentials and its destination without a message."""

    async def probe(self, http: Http) -> None:
        """Check them; nobody is notified. Raises as `Channel.send` does."""
        ...
