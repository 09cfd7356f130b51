"""A message as a channel gets it: plain data, nothing rendered for one provider, and how its text is made to fit."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from assistance.model.delivery import Kind
from assistance.model.request import Link

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Action(StrEnum):
    """What a person can do with a request. The names are those of the routes and of Slack's `action_id`."""

    CLAIM = "claim"
    RELEASE = "release"
    RESOLVE = "resolve"
    REROUTE = "reroute"
    REPLY = "reply"


@dataclass(frozen=True, slots=True)
class Message:
    """One message for one channel.

    `key` is the same on every try. `body` is what the customer wrote: never markup, never trusted. `fields` are
    label-value pairs, the most important first. `actions` is what may be pressed now, the most important first.
    `short` asks for the plainest form that the provider knows. `thread` is the provider's reference of the notice that
    this message belongs to. `since` is the label of `created_at`, for channels that show times in the reader's own
    zone. `rest` replaces what a provider does not accept of the body.
    """

    key: str
    kind: Kind
    title: str
    body: str
    created_at: float
    fields: tuple[tuple[str, str], ...] = ()
    links: tuple[Link, ...] = ()
    actions: tuple[Action, ...] = ()
    urgent: bool = False
    short: bool = False
    thread: str | None = None
    since: str = ""
    rest: str = "…"

    @property
    def text(self) -> str:
        """The whole message as plain text."""
        facts = "\n".join(f"{label}: {value}" for label, value in self.fields)
        links = "\n".join(f"{link.label}: {link.url}" for link in self.links)
        return "\n\n".join(part for part in (self.title, self.body, facts, links) if part)

    @property
    def web_links(self) -> list[Link]:
        """The links that are http or https: any other scheme may run something when it is clicked."""
        return [link for link in self.links if link.url.lower().startswith(("https://", "http://"))]


def readable(text: str) -> str:
    """`text` with plain line feeds and without control characters: nobody sees them, and some providers refuse them."""
    if text.isprintable():
        # Most texts are, and the check costs a tenth of the replacements.
        return text
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """`text` on one line, for headers, titles and fields: no line end of any kind is left."""
    return " ".join(readable(text).split())


def cut(text: str, limit: int) -> str:
    """`text`, or its start and an ellipsis: at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def minute(instant: float) -> str:
    """The instant as people read it, UTC, to the minute: `2026-11-23 10:00 UTC`."""
    return datetime.fromtimestamp(instant, UTC).isoformat(" ", "minutes").replace("+00:00", " UTC")
