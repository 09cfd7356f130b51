"""The entries of the routing file as they are written; what becomes of them is in `routing.py`.

Each entry is read by itself, so that a mistake in one hides none in another. The context of the validation holds
`environ` (where secrets are looked up), `channels` and `topics` (the names that may be used).
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from assistance.channels import Duration
from assistance.model import Condition, Priority, When
from assistance.routing.callback import Network, Secrets, Url
from assistance.routing.hours import Hours, parse_hours
from assistance.routing.moment import parse_moment
from assistance.routing.problem import unknown

YEAR = 366 * 86_400.0

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
    if not isinstance(value, str):
        raise ValueError("hours are days, times and a time zone: Mon-Fri 09:00-18:00 Europe/Madrid")  # noqa: TRY004 - pydantic collects ValueError
    return parse_hours(value)


def _moment(value: object) -> float:
    return parse_moment(value if isinstance(value, str) else "")


def _known(name: str, info: ValidationInfo) -> str:
    known = info.context["channels"] if info.context else ()
    if name not in known:
        raise ValueError(unknown("channel", name, known))
    return name


def _known_topic(name: str, info: ValidationInfo) -> str:
    known = info.context["topics"] if info.context else ()
    if name.lower() not in known:
        raise ValueError(unknown("topic", name, known))
    return name.lower()


def _once(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("names the same one twice")
    return names


ChannelName = Annotated[str, AfterValidator(_known)]
TopicName = Annotated[str, AfterValidator(_known_topic)]
Delay = Annotated[Duration, AfterValidator(_within_a_year)]
Span = Annotated[Duration, AfterValidator(_within_a_year), AfterValidator(_above_zero)]


class Entry(BaseModel):
    """Something in the routing file: a key that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)


class FileEntry(Entry):
    """The file's outermost keys."""

    channels: dict[str, Any]
    topics: Annotated[dict[str, Any], Field(min_length=1)]
    callbacks: dict[str, Any] = {}
    tests: list[Any] = []


class TopicEntry(Entry):
    """A topic, its steps not yet read."""

    title: str = ""
    description: str = ""
    hours: Annotated[Hours, BeforeValidator(_hours)] | None = None
    expected_response: Span | None = None
    expires_in: Span = 7 * 86_400.0
    steps: list[Any]


class StepEntry(Entry):
    """One step of a topic."""

    notify: Annotated[list[ChannelName], Field(min_length=1), AfterValidator(_once)]
    after: Delay = 0.0
    condition: Annotated[Condition, Field(alias="if")] = Condition.ALWAYS
    when: When = When.BOTH


class CallbackEntry(Entry):
    """Where a bot hears what became of its requests."""

    url: Url
    secrets: Secrets
    events: Annotated[list[CallbackEvent], Field(min_length=1)] = list(CALLBACK_EVENTS)
    clients: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    allow: list[Network] = []


class RouteTestEntry(Entry):
    """A route test: what a request of that topic, at that time, must give."""

    topic: TopicName
    at: Annotated[float, BeforeValidator(_moment)] | None = None
    priority: Priority = Priority.NORMAL
    expect: list[ChannelName]
    then: list[ChannelName] | None = None
