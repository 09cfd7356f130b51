"""Fitting text into what providers take."""

import re
from collections.abc import Iterator

from assistance.model import Link, Message

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def readable(text: str) -> str:
    """`text` with plain line feeds and no control characters, which nobody sees and some providers refuse."""
    if text.isprintable():
        # Most texts: nothing to replace, which costs a fraction of looking for each.
        return text
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """`text` on one line, for headers and titles: no line end of any kind is left."""
    return " ".join(readable(text).split())


def cut(text: str, limit: int) -> str:
    """`text`, or its start and an ellipsis: at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def pieces(text: str, size: int) -> Iterator[str]:
    """`text` in pieces of at most `size` characters, broken between words where there are any near the end."""
    while len(text) > size:
        end = 1 + max(text.rfind(space, size - size // 4, size) for space in "\n ")
        yield text[: end or size]
        text = text[end or size :]
    if text:
        yield text


def web_links(message: Message) -> list[Link]:
    """The links of the message that are http or https; any other scheme may run something on a click."""
    return [link for link in message.links if link.url.lower().startswith(("https://", "http://"))]
