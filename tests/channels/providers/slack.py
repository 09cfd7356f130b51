"""The fake Slack of development mode."""

import html
from types import TracebackType
from typing import Any, Self

import trustme
from tests.channels import fake_provider

from assistance.sandbox.slack import FakeSlack, Fault


class Provider(fake_provider.FakeProvider):
    def __init__(self, authority: trustme.CA) -> None:  # noqa: ARG002 - no TLS here
        self.slack = FakeSlack(tokens={"xoxb-canary-9f2c"}, channels={"C0SALES"})

    @property
    def settings(self) -> dict[str, Any]:
        return {"token": "env:SLACK_TOKEN", "channel": "C0SALES", "api_url": self.slack.api_url}

    @property
    def environ(self) -> dict[str, str]:
        return {"SLACK_TOKEN": "xoxb-canary-9f2c"}

    @property
    def arrivals(self) -> list[fake_provider.Arrival]:
        return [_arrival(message.payload) for message in self.slack.messages]

    @property
    def reached(self) -> bool:
        return bool(self.slack.calls)

    def refuse(self, status: int, text: str = "") -> None:
        self.slack.always(Fault(status=status, raw=text.encode()))

    def limit(self, seconds: int) -> None:
        self.slack.always(Fault(retry_after=seconds))

    def hang(self) -> None:
        self.slack.always(Fault(hang=True))

    def garble(self) -> None:
        self.slack.always(Fault(raw=b"<html>It works!"))

    async def stop(self) -> None:
        await self.slack.down()

    async def __aenter__(self) -> Self:
        await self.slack.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.slack.__aexit__(kind, error, trace)


def _arrival(payload: dict[str, Any]) -> fake_provider.Arrival:
    texts = list(_texts(payload.get("blocks", [])))
    plain = [text["text"] for text in texts if text["type"] == "plain_text"]
    markup = [text["text"] for text in texts if text["type"] == "mrkdwn"] + [payload["text"]]
    words = plain or [html.unescape(payload["text"])]
    key = payload["metadata"]["event_payload"]["key"]
    return fake_provider.Arrival(key, "".join(words) + "\n".join(map(html.unescape, markup)), "\n".join(markup))


def _texts(node: Any) -> list[dict[str, str]]:
    if isinstance(node, dict) and isinstance(node.get("text"), str):
        return [node]
    items = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [text for item in items for text in _texts(item)]
