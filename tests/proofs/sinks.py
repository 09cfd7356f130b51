"""What was delivered: every copy of every message, in Slack and in the mailbox."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.fakes.process import Surroundings

from assistance.sandbox.slack import SlackMessage
from assistance.sandbox.smtp import Mail


@dataclass(frozen=True, slots=True)
class Copy:
    """One message that arrived at the time `at`, with the `key` that must be the same on every try."""

    key: str
    text: str
    at: float


def copies(around: Surroundings) -> list[Copy]:
    """Everything that arrived, oldest first."""
    found = [*map(_of_slack, around.slack.messages), *map(_of_mail, around.smtp.messages)]
    return sorted(found, key=lambda copy: copy.at)


def _of_slack(message: SlackMessage) -> Copy:
    texts = "\n".join(_plain_texts(message))
    return Copy(message.payload["metadata"]["event_payload"]["key"], texts, message.received_at)


def _plain_texts(message: SlackMessage) -> Iterator[str]:
    for block in message.blocks:
        if block["type"] == "section" and block.get("text", {}).get("type") == "plain_text":
            yield block["text"]["text"]


def _of_mail(mail: Mail) -> Copy:
    body = mail.message.get_body(("plain",))
    assert body is not None
    key = str(mail.message["Message-ID"]).strip("<>").rpartition("@")[0]
    return Copy(key, body.get_content().replace("\r\n", "\n"), mail.received_at)
