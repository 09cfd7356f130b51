"""A client of the fake Slack."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

import aiohttp
import pytest

from assistance.sandbox.slack import FakeSlack

Answer = tuple[int, Mapping[str, str], dict[str, Any]]
Call = Callable[..., Coroutine[Any, Any, Answer]]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
        yield session


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(tokens={"xoxb-test"}, channels={"C0SALES"}) as fake:
        yield fake


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Calls any method; the answer is `(status, headers, body)`."""

    async def send(
        slack: FakeSlack,
        method: str = "chat.postMessage",
        token: str | None = "xoxb-test",
        **payload: Any,
    ) -> Answer:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with http.post(slack.api_url + method, headers=headers, json=payload) as answer:
            return answer.status, answer.headers, await answer.json(content_type=None)

    return send


@pytest.fixture
def post(call: Call) -> Call:
    """Posts a message, `hello` in `C0SALES` by default."""

    async def send(slack: FakeSlack, **payload: Any) -> Answer:
        return await call(slack, **{"channel": "C0SALES", "text": "hello", **payload})

    return send
