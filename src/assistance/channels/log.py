"""Writes one line to the service's own log: for trying out; no person reads it."""

from typing import ClassVar

import structlog

from assistance.channels._channel import Channel
from assistance.model import Message
from assistance.outgoing import Http


class Log(Channel):
    """Writes which message went out, never what the customer wrote."""

    person: ClassVar[bool] = False

    async def send(self, message: Message, http: Http) -> str | None:  # noqa: ARG002 - nothing goes out
        """Write the line."""
        structlog.get_logger("assistance.channels.log").info(
            "message_for_nobody", key=message.key, kind=message.kind.value, urgent=message.urgent
        )
        return None
