"""A message as a channel gets it: plain data, nothing rendered for one provider."""

from dataclasses import dataclass

from assistance.model.delivery import Kind
from assistance.model.request import Link


@dataclass(frozen=True, slots=True)
class Message:
    """What one channel is to say once.

    `key` is the same on every try. `body` is what the customer wrote: never markup, never trusted. `fields` are
    label-value pairs in the order of their importance. `short` asks for the plainest form the provider knows.
    `thread` is the provider's reference of the notice that this message belongs to.
    """

    key: str
    kind: Kind
    title: str
    body: str
    created_at: float
    fields: tuple[tuple[str, str], ...] = ()
    links: tuple[Link, ...] = ()
    urgent: bool = False
    short: bool = False
    thread: str | None = None

    @property
    def text(self) -> str:
        """The whole as plain text."""
        facts = "\n".join(f"{label}: {value}" for label, value in self.fields)
        links = "\n".join(f"{link.label}: {link.url}" for link in self.links)
        return "\n\n".join(part for part in (self.title, self.body, facts, links) if part)
