"""The entries of the routing file as they are written; `load` makes `Topic` and `Step` of theirs.

Each entry is read by itself, so that a mistake in one hides none in another. The context of the validation holds
`environ` (where secrets are looked up), `channels` and `topics` (the names that may be used).
"""

import binascii
from base64 import b64decode
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from assistance.channels import Duration
from assistance.model import Condition, Priority, When
from assistance.routing.hours import Hours, parse_hours, parse_moment
from assistance.routing.problem import unknown
from assistance.settings import Secret

YEAR = 366 * 86_400.0

KEY_BYTES = 24
"""The least that Standard Webhooks 1.0.0 advises for a signing key."""

_METADATA = tuple(map(ip_network, ("169.254.169.254/32", "fd00:ec2::254/128")))

CallbackEvent = Literal["claimed", "replied", "resolved", "expired"]
CALLBACK_EVENTS: tuple[CallbackEvent, ...] = ("claimed", "replied", "resolved", "expired")


def _within_a_year(seconds: float) -> float:
    if seconds > YEAR:
        raise ValueError("at most 366d")
    return seconds


def _above_zero(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be longer than nothing")
    return seconds


def _hours(value: object) -> Hours:
    return parse_hours(value if isinstance(value, str) else "")


def _moment(value: object) -> float:
    return parse_moment(value if isinstance(value, str) else "")


def _known(name: str, info: ValidationInfo) -> str:
    known = (info.context or {})["channels"]
    if name not in known:
        raise ValueError(unknown("channel", name, known))
    return name


def _known_topic(name: str, info: ValidationInfo) -> str:
    known = (info.context or {})["topics"]
    if name.lower() not in known:
        raise ValueError(unknown("topic", name, known))
    return name.lower()


def _once(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("names the same one twice")
    return names


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in {"https", "http"} or not host or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be a URL: https://…")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL here holds no user or password")
    return text


def signing_key(secret: Secret) -> bytes:
    """The key of a `whsec_…` secret (Standard Webhooks 1.0.0).

    Raises:
        ValueError: it is no such secret; the text has the reference, never the value.
        MissingSecretError: there is none.
    """
    text = secret.reveal()
    try:
        key = b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key or not text.startswith("whsec_"):
        raise ValueError(f"{secret.source} does not hold whsec_ and the base64 of a key")
    return key


def _signing(secrets: list[Secret]) -> list[Secret]:
    for secret in secrets:
        if not secret.missing:
            signing_key(secret)
    return secrets


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("must be a network: 127.0.0.0/8") from None
    if network in _METADATA:
        raise ValueError("the metadata service is never reached")
    return network


ChannelName = Annotated[str, AfterValidator(_known)]
TopicName = Annotated[str, AfterValidator(_known_topic)]
Delay = Annotated[Duration, AfterValidator(_within_a_year)]
Span = Annotated[Duration, AfterValidator(_within_a_year), AfterValidator(_above_zero)]

Url = Annotated[str, AfterValidator(_url)]
"""An http or https URL without user and password. The sender decides about plain http."""

Secrets = Annotated[list[Secret], Field(min_length=1), AfterValidator(_signing)]
"""Signing secrets: the first signs, all are valid."""

Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
"""A network that a callback may reach although it is private."""


class Entry(BaseModel):
    """A part of the routing file: unknown keys are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True, validate_default=True
    )


class FileEntry(Entry):
    """The file's outermost keys."""

    channels: dict[str, Any] = Field(description="Where people are notified: a name and its settings each.")
    topics: dict[str, Any] = Field(min_length=1, description="What bots may ask for: a name and its steps each.")
    callbacks: dict[str, Any] = Field(default={}, description="Where events of requests are posted for bots.")
    tests: list[Any] = Field(default=[], description="Route tests, run before the file is put in force.")


class TopicEntry(Entry):
    """A topic; its steps are read one by one."""

    title: str = Field(default="", description="What people read.")
    description: str = Field(default="", description="What bots read, to choose a topic.")
    hours: Annotated[Hours, BeforeValidator(_hours)] | None = Field(
        default=None,
        description="Opening hours, for example `Mon-Fri 09:00-18:00 Europe/Madrid`; without, it is always open.",
    )
    expected_response: Span | None = Field(default=None, description="How soon an answer is promised while it is open.")
    expires_in: Span = Field(default="7d", description="How long a request waits to be claimed.")  # type: ignore[assignment]
    steps: list[Any] = Field(description="Which channels are notified, in order.")


class StepEntry(Entry):
    """One step of a topic."""

    notify: Annotated[list[ChannelName], Field(min_length=1), AfterValidator(_once)] = Field(
        description="The channels to notify."
    )
    after: Delay = Field(default="0s", description="How long after the request came in.")  # type: ignore[assignment]
    condition: Condition = Field(
        default=Condition.ALWAYS,
        alias="if",
        description="Checked when the step is due: `always`, `undelivered` (no person's channel has it) or "
        "`unclaimed` (nobody has claimed it). `undelivered` starts at once when the steps before it have failed or are "
        "parked.",
    )
    when: When = Field(default=When.BOTH, description="`open`, `closed` or `both`: the topic's hours at that time.")


class Callback(Entry):
    """Where the events of a bot's requests are posted."""

    url: Url = Field(description="Gets a signed POST for each event.")
    secrets: Secrets = Field(description="Signing keys, `whsec_…`, by reference: the first signs, all are valid.")
    events: Annotated[list[CallbackEvent], Field(min_length=1)] = Field(
        default=list(CALLBACK_EVENTS), description="Which events are posted."
    )
    clients: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)] = Field(
        description="Whose requests may name it, by the token's `sub`."
    )
    allow: list[Network] = Field(default=[], description="Private networks that it may reach all the same.")


class RouteTest(Entry):
    """A route test: what a request of that topic, at that time, must give."""

    topic: TopicName = Field(description="The topic asked for.")
    at: Annotated[float, BeforeValidator(_moment)] | None = Field(
        default=None, description="The moment, with its offset from UTC; by default one at which the topic is open."
    )
    priority: Priority = Field(default=Priority.NORMAL, description="`normal` or `urgent`.")
    expect: list[ChannelName] = Field(description="The channels that are notified at once.")
    then: list[ChannelName] | None = Field(default=None, description="The channels that may follow.")
