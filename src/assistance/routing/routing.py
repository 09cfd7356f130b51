"""The routing file, read, checked and frozen."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from assistance.channels import Channel
from assistance.model import Priority
from assistance.routing.problem import Problem
from assistance.routing.topic import Step, Topic
from assistance.settings import Secret

_PASSWORD_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")


class UnknownTopicError(LookupError):
    """The routing file in force has no such topic; `allowed` names those that the caller may use, sorted."""

    def __init__(self, name: str, allowed: Iterable[str]) -> None:
        super().__init__(name)
        self.allowed = tuple(sorted(allowed))


@dataclass(frozen=True, slots=True)
class Callback:
    """Where a bot hears what became of its requests.

    The first of `secrets` signs, all are valid; `clients` are those whose requests may name it; `allow` are private
    networks that it may reach.
    """

    name: str
    url: str
    secrets: tuple[Secret, ...]
    events: tuple[str, ...]
    clients: tuple[str, ...]
    allow: tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True)
class RouteTest:
    """What a request must give: the channels notified at once and, unless None, those that may follow.

    `at` None stands for a moment at which the topic is open. `line` is where the test stands in the file.
    """

    topic: str
    at: float | None
    priority: Priority
    expect: tuple[str, ...]
    then: tuple[str, ...] | None
    line: int


@dataclass(frozen=True, slots=True)
class Routing:
    """All that the routing file says. `digest` is the SHA-256 of its bytes, in hexadecimal.

    `channel_types` has the `type` of each channel. `warnings` do not keep the file from being used; those of `missing`
    are among them, by the reference behind which there is nothing: `env:SLACK_TOKEN`.
    """

    file: str
    digest: str
    topics: Mapping[str, Topic]
    channels: Mapping[str, Channel]
    channel_types: Mapping[str, str]
    callbacks: Mapping[str, Callback]
    tests: tuple[RouteTest, ...]
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
        """The references behind which there is nothing, each once: `env:SLACK_TOKEN`."""
        return tuple(self.missing)

    def public(self) -> dict[str, Any]:
        """The whole for `GET /-/config`: spans in seconds, secrets as the references that stand in the file."""
        channels = {name: self._public_channel(name) for name in self.channels}
        return {
            "file": self.file,
            "digest": self.digest,
            "channels": channels,
            "topics": {name: _public_topic(topic) for name, topic in self.topics.items()},
            "callbacks": {name: _public_callback(callback) for name, callback in self.callbacks.items()},
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
        "steps": [_public_step(step) for step in topic.steps],
    }


def _public_step(step: Step) -> dict[str, Any]:
    return {"notify": list(step.notify), "after": step.after, "if": step.condition, "when": step.when}


def _public_callback(callback: Callback) -> dict[str, Any]:
    return {
        "url": callback.url,
        "secrets": [secret.source for secret in callback.secrets],
        "events": list(callback.events),
        "clients": list(callback.clients),
        "allow": _texts(callback.allow),
    }


def _texts(values: Iterable[object]) -> list[str]:
    return [str(value) for value in values]


def _without_passwords(value: Any) -> Any:
    """The value with user and password cut out of every URL: an operator may have written them all the same."""
    if isinstance(value, str):
        return _PASSWORD_IN_URL.sub("", value)
    if isinstance(value, dict):
        return {key: _without_passwords(item) for key, item in value.items()}
    return [_without_passwords(item) for item in value] if isinstance(value, list) else value
