"""Our own log: nothing leaves the machine, and nothing of the customer's may stand in it."""

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import structlog.testing
import trustme
from tests.channels import fake_provider


class Provider(fake_provider.FakeProvider):
    settings: dict[str, Any] = {}  # noqa: RUF012
    environ: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, authority: trustme.CA) -> None:  # noqa: ARG002 - no TLS here
        self._stack = ExitStack()
        self.lines: list[Any] = []

    @property
    def arrivals(self) -> list[fake_provider.Arrival]:
        return [fake_provider.Arrival(line["key"], "\n".join(fake_provider.leaves(dict(line)))) for line in self.lines]

    async def __aenter__(self) -> Self:
        self.lines = self._stack.enter_context(structlog.testing.capture_logs())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
