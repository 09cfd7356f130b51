"""The fake provider that a channel sends to in the contract suite, and how the suite finds it.

A channel whose settings hold one URL gets the general HTTP server of this module. Any other brings a module of its own
name in `tests/channels/providers`, with a class `Provider`.
"""

import importlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self, get_args

import pytest
import trustme
from pydantic import AnyUrl
from pydantic.fields import FieldInfo
from tests.fakes.raw_http import RawHttp, Received, answer
from tests.fakes.statuses import expected

from assistance.channels import Channel
from assistance.model import Verdict
from assistance.settings import Secret

HTTP_VERDICTS: Mapping[int, type[Verdict]] = {
    status: verdict[0] for status in range(200, 600) if (verdict := expected(status))
}


@dataclass(frozen=True)
class Arrival:
    """One message as it arrived.

    `key` is the same for two tries of one message; `text` is all that a person can read; `markup` is what the reader's
    program interprets, unchanged; `headers` are the names of the headers, in lower case.
    """

    key: str
    text: str
    markup: str = ""
    headers: frozenset[str] = frozenset()


class FakeProvider(ABC):
    """Inside `async with` it listens, accepts every message and records it, until a test makes it fail.

    For a channel that no person reads, the methods that make it fail need not be there.
    """

    @abstractmethod
    def __init__(self, authority: trustme.CA) -> None:
        """`authority` is trusted by the service."""

    verdicts: ClassVar[Mapping[int, type[Verdict]]] = HTTP_VERDICTS
    """The status or code of each refusal, and the verdict that it must become."""
    says_when: ClassVar[bool] = True
    """Whether its answer can say how long to wait when it limits."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The channel's entry in the routing file."""

    @property
    @abstractmethod
    def environ(self) -> dict[str, str]:
        """The variables that the settings name."""

    @property
    def secrets(self) -> list[str]:
        """What no error may show."""
        return list(self.environ.values())

    @property
    @abstractmethod
    def arrivals(self) -> list[Arrival]:
        """The messages that arrived, oldest first."""

    @property
    def reached(self) -> bool:
        """Whether a send has begun."""
        raise NotImplementedError

    def refuse(self, status: int, text: str = "") -> None:
        """Answer everything with this status and this text."""
        raise NotImplementedError

    def limit(self, seconds: int) -> None:
        """Accept nothing more for so many seconds."""
        raise NotImplementedError

    def hang(self) -> None:
        """Answer nothing."""
        raise NotImplementedError

    def garble(self) -> None:
        """Answer nonsense."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Refuse connections."""
        raise NotImplementedError

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def provider_of(name: str, channel: type[Channel]) -> type[FakeProvider]:
    """The fake provider of a channel. Where there is none, the test fails and its message says what to write."""
    own = f"tests.channels.providers.{name}"
    if importlib.util.find_spec(own):
        found: type[FakeProvider] = importlib.import_module(own).Provider
        return found
    if sum(_is_url(field) for field in channel.model_fields.values()) != 1:
        pytest.fail(f"{name} has not exactly one URL among its fields: write tests/channels/providers/{name}.py")
    return general(channel)


def general(channel: type[Channel]) -> type[FakeProvider]:
    """An HTTP server for a channel with one URL; the other required fields are filled by their examples or types."""

    class General(_General):
        kind = channel

    return General


class _General(FakeProvider):
    kind: ClassVar[type[Channel]]

    def __init__(self, authority: trustme.CA) -> None:  # noqa: ARG002 - plain http will do on loopback
        self._http = RawHttp(self._accept)
        self._accepted: list[Received] = []

    @property
    def settings(self) -> dict[str, Any]:
        return {field.alias or name: self._value(field) for name, field in self._filled()}

    @property
    def environ(self) -> dict[str, str]:
        return {"SECRET": "canary-9f2c"}

    @property
    def arrivals(self) -> list[Arrival]:
        return [
            Arrival(request.body.hex(), "\n".join(leaves(request.json())), headers=frozenset(request.headers))
            for request in self._accepted
            if request.method != "GET"
        ]

    @property
    def reached(self) -> bool:
        return bool(self._http.requests)

    def refuse(self, status: int, text: str = "") -> None:
        self._http.says = lambda _: answer(status, text.encode())

    def limit(self, seconds: int) -> None:
        self._http.says = lambda _: answer(429, Retry_After=str(seconds))

    def hang(self) -> None:
        self._http.says = lambda _: None

    def garble(self) -> None:
        self._http.says = lambda _: answer(200, b"<html>It works!")

    async def stop(self) -> None:
        await self._http.down()

    async def __aenter__(self) -> Self:
        await self._http.up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.down()

    def _accept(self, request: Received) -> bytes:
        self._accepted.append(request)
        return answer(200, {"id": str(len(self._accepted)), "ok": True})

    def _filled(self) -> Iterator[tuple[str, FieldInfo]]:
        for name, field in self.kind.model_fields.items():
            if field.is_required() or _is_url(field) or Secret in _types(field):
                yield name, field

    def _value(self, field: FieldInfo) -> Any:
        if _is_url(field):
            return self._http.url
        if Secret in _types(field):
            return "env:SECRET"
        if field.examples:
            return field.examples[0]
        samples: dict[Any, Any] = {str: "sample", int: 1, bool: True, float: 1.0}
        return next(samples[kind] for kind in _types(field) if kind in samples)


def leaves(value: Any) -> Iterator[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)


def _types(field: FieldInfo) -> tuple[Any, ...]:
    return get_args(field.annotation) or (field.annotation,)


def _is_url(field: FieldInfo) -> bool:
    return any(isinstance(kind, type) and issubclass(kind, AnyUrl) for kind in _types(field))
