"""The entries of the routing file as they are written; what becomes of them is in `routing.py`.

Each entry is read by itself, so that a mistake in one hides none in another. The context of the validation holds
`environ` (where secrets are looked up), `channels` and `topics` (the names that may be used).
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from assistance.channels import Duration
from assistance.model import Condition, Priority, When
from assistance.routing.file.callback import Network, Secrets, Url
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

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True, validate_default=True
    )


class FileEntry(Entry):
    """The file's outermost keys."""

    channels: dict[str, Any] = Field(description="Where people are told: a name and its settings each.")
    topics: dict[str, Any] = Field(min_length=1, description="What bots may ask for: a name and its steps each.")
    callbacks: dict[str, Any] = Field(default={}, description="Where bots hear what became of their requests.")
    tests: list[Any] = Field(default=[], description="Route tests, run before the file is put in force.")


class TopicEntry(Entry):
    """A topic, its steps not yet read."""

    title: str = Field(default="", description="What people read.")
    description: str = Field(default="", description="What bots read, to choose a topic.")
    hours: Annotated[Hours, BeforeValidator(_hours)] | None = Field(
        default=None,
        description="Opening hours, for example `Mon-Fri 09:00-18:00 Europe/Madrid`; without, it is always open.",
    )
    expected_response: Span | None = Field(default=None, description="How soon an answer is promised while it is open.")
    expires_in: Span = Field(default="7d", description="How long a request waits for somebody to take it.")  # type: ignore[assignment]
    steps: list[Any] = Field(description="Who is told, in order.")


class StepEntry(Entry):
    """One step of a topic."""

    notify: Annotated[list[ChannelName], Field(min_length=1), AfterValidator(_once)] = Field(
        description="The channels to tell."
    )
    after: Delay = Field(default="0s", description="How long after the request came in.")  # type: ignore[assignment]
    condition: Condition = Field(
        default=Condition.ALWAYS,
        alias="if",
        description="Looked at when its time has come: `always`, `undelivered` (no person's channel has it) or "
        "`unclaimed` (nobody has taken it). `undelivered` starts at once when the steps before it have failed or are "
        "parked.",
    )
    when: When = Field(default=When.BOTH, description="`open`, `closed` or `both`: the topic's hours at that time.")


class CallbackEntry(Entry):
    """Where a bot hears what became of its requests."""

    url: Url = Field(description="Gets a signed POST for each event.")
    secrets: Secrets = Field(description="Signing keys, `whsec_…`, by reference: the first signs, all are valid.")
    events: Annotated[list[CallbackEvent], Field(min_length=1)] = Field(
        default=list(CALLBACK_EVENTS), description="Which events are told."
    )
    clients: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)] = Field(
        description="Whose requests may name it, by the token's `sub`."
    )
    allow: list[Network] = Field(default=[], description="Private networks that it may reach all the same.")


class RouteTestEntry(Entry):
    """A route test: what a request of that topic, at that time, must give."""

    topic: TopicName = Field(description="The topic asked for.")
    at: Annotated[float, BeforeValidator(_moment)] | None = Field(
        default=None, description="The moment, with its offset from UTC; by default one at which the topic is open."
    )
    priority: Priority = Field(default=Priority.NORMAL, description="`normal` or `urgent`.")
    expect: list[ChannelName] = Field(description="The channels that are notified at once.")
    then: list[ChannelName] | None = Field(default=None, description="The channels that may follow.")
