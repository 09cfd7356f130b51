"""The routing file, read, checked and frozen: what everything else reads of it."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from assistance.channels import Channel
from assistance.model import Condition, When
from assistance.routing.file.schema import Callback, RouteTest
from assistance.routing.hours import Hours
from assistance.routing.problem import Problem
from assistance.settings import Secret

_PASSWORD_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")


class UnknownTopicError(LookupError):
    """The routing file in force has no such topic; `allowed` names those that the caller may use, sorted."""

    def __init__(self, name: str, allowed: Iterable[str]) -> None:
        super().__init__(name)
        self.allowed = tuple(sorted(allowed))


@dataclass(frozen=True, slots=True)
class Step:
    """Which channels to notify, how many seconds after the accept, on which condition and at which hours."""

    notify: tuple[str, ...]
    after: float = 0.0
    condition: Condition = Condition.ALWAYS
    when: When = When.BOTH

    def runs(self, *, is_open: bool) -> bool:
        """Whether `when` allows the step while the topic is open, or closed."""
        match self.when:
            case When.BOTH:
                return True
            case When.OPEN:
                return is_open
            case When.CLOSED:
                return not is_open
            case _:
                assert_never(self.when)


@dataclass(frozen=True, slots=True)
class Topic:
    """What a bot may ask for. `name` is lower case; spans are seconds.

    `expected_response` is how soon an answer is promised during the hours, None for no promise. `expires_in` is how
    long a request waits to be claimed. Only with hours is a step's `when` anything but `both`.
    """

    name: str
    title: str
    description: str
    hours: Hours | None
    steps: tuple[Step, ...]
    expected_response: float | None = None
    expires_in: float = 7 * 86_400.0

    def is_open(self, at: float) -> bool:
        """Whether it is open at `at`; without hours it always is."""
        return self.hours is None or self.hours.is_open(at)

    def next_open_at(self, at: float) -> float | None:
        """When it opens next; None while it is open."""
        return None if self.hours is None else self.hours.next_open(at)


@dataclass(frozen=True, slots=True)
class Routing:
    """All that the routing file says. `digest` is the SHA-256 of its bytes, in hexadecimal.

    `channel_types` has the `type` of each channel, `tests` the line of each test. With `warnings` the file can still be
    used; those of `missing` are among them, by the reference of the secret that is not there: `env:SLACK_TOKEN`.
    """

    file: str
    digest: str
    topics: Mapping[str, Topic]
    channels: Mapping[str, Channel]
    channel_types: Mapping[str, str]
    callbacks: Mapping[str, Callback]
    tests: tuple[tuple[int, RouteTest], ...]
    warnings: tuple[Problem, ...]
    missing: Mapping[str, Problem]

    def topic(self, name: str) -> Topic | None:
        """The topic of that name in whatever case, None when there is none."""
        return self.topics.get(name.lower())

    def known_topic(self, name: str, allowed: Collection[str] | None = None) -> Topic:
        """The topic of that name in whatever case, for a caller who may use the `allowed` ones; None: all of them.

        Raises:
            UnknownTopicError: there is none.
        """
        topic = self.topic(name)
        if topic is None:
            raise UnknownTopicError(name, (each for each in self.topics if allowed is None or each in allowed))
        return topic

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret that the file refers to, in its order."""
        of_channels = [secret for channel in self.channels.values() for secret in channel.secrets()]
        return (*of_channels, *(secret for callback in self.callbacks.values() for secret in callback.secrets))

    @property
    def missing_secrets(self) -> tuple[str, ...]:
        """The references of secrets that are not there, each once: `env:SLACK_TOKEN`."""
        return tuple(self.missing)

    def public(self) -> dict[str, Any]:
        """The whole for `GET /-/config`: spans in seconds, secrets as the references that stand in the file."""
        channels = {name: self._public_channel(name) for name in self.channels}
        return {
            "file": self.file,
            "digest": self.digest,
            "channels": channels,
            "topics": {name: _public_topic(topic) for name, topic in self.topics.items()},
            "callbacks": {name: callback.model_dump(mode="json") for name, callback in self.callbacks.items()},
            "warnings": [str(warning) for warning in self.warnings],
        }

    def _public_channel(self, name: str) -> dict[str, Any]:
        fields = self.channels[name].model_dump(mode="json", by_alias=True, fallback=lambda value: type(value).__name__)
        return {"type": self.channel_types[name], **_without_passwords(fields)}


def _public_topic(topic: Topic) -> dict[str, Any]:
    return {
        "title": topic.title,
        "description": topic.description,
        "hours": None if topic.hours is None else str(topic.hours),
        "expected_response": topic.expected_response,
        "expires_in": topic.expires_in,
        "steps": [
            {"notify": list(step.notify), "after": step.after, "if": step.condition, "when": step.when}
            for step in topic.steps
        ],
    }


def _without_passwords(value: Any) -> Any:
    """Secrets: the value without user and password in URLs, in case an operator has written them in clear."""
    if isinstance(value, str):
        return _PASSWORD_IN_URL.sub("", value)
    if isinstance(value, dict):
        return {key: _without_passwords(item) for key, item in value.items()}
    return [_without_passwords(item) for item in value] if isinstance(value, list) else value
