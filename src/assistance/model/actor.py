"""Who did something: a person or a program, named as the front that it came in by knows it."""

from dataclasses import dataclass

_ID_IS_ALL = frozenset({"api", "mail"})
"""Kinds whose text is an id alone; a token's `sub` may have spaces in it."""


@dataclass(frozen=True, slots=True)
class Actor:
    """`kind` is the front (`slack`, `api`); `id` is unique there and, but for `api` and `mail`, has no space in it."""

    kind: str
    id: str
    name: str = ""

    @classmethod
    def of_client(cls, client: str) -> "Actor":
        """The program whose token has this `sub`."""
        return cls("api", client)

    @classmethod
    def parse(cls, text: str) -> "Actor":
        """The actor whose text form this is; `str` gives the same text again."""
        kind, _, rest = text.partition(":")
        if kind in _ID_IS_ALL:
            return cls(kind, rest)
        id_, _, name = rest.partition(" ")
        return cls(kind, id_, name)

    def __str__(self) -> str:
        """The text form: `slack:U123 Ana`, `mail:ana@example.com`, `api:desk`."""
        named = f"{self.id} {self.name}" if self.name else self.id
        return f"{self.kind}:{named}" if named else self.kind

    @property
    def called(self) -> str:
        """The name that other people know it by: `Ana`, `ana@example.com`, `desk`."""
        return self.name or self.id or self.kind
