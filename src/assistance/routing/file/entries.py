"""Reading the file's entries one by one, so that a mistake in one hides none in another."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from assistance.channels import Channel, UnknownTypeError, channel_class, channel_types
from assistance.routing.file.document import Document
from assistance.routing.file.wording import explained
from assistance.routing.problem import Problem, shown, unknown
from assistance.settings import MissingSecretError, Secret

Redirect = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Given a channel's type and settings as written, the settings to use instead."""

Where = tuple[str | int, ...]
_Model = TypeVar("_Model", bound=BaseModel)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Entries:
    """The entries of one document, and the problems and warnings found while reading them."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        """Read from `document`, secrets from `environ`."""
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.missing: dict[str, Problem] = {}
        self._document = document
        self._context = {
            "environ": environ,
            "channels": set(self._section("channels")),
            "topics": {name.lower() for name in self._section("topics")},
        }

    def refuse(self, where: Where, text: str) -> None:
        """Note a problem."""
        self.problems.append(self._document.problem(where, text))

    def warn(self, where: Where, text: str) -> None:
        """Note a warning."""
        self.warnings.append(self._document.problem(where, text))

    def line(self, where: Where) -> int:
        """The line of an entry."""
        return self._document.line(where)

    def named(self, section: str) -> Iterator[tuple[str, Any]]:
        """The entries of a section that have names, as they are written; a name that cannot be used is a problem."""
        for name, raw in self._section(section).items():
            if not _NAME.fullmatch(name):
                self.refuse((section, name), "a name is up to 64 letters, digits, dots, hyphens and underscores")
            yield name, raw

    def listed(self, where: Where, raw: Any) -> list[Any]:
        """The items of a list, none where it is no list."""
        items = raw.get(where[-1]) if isinstance(raw, dict) else None
        return items if isinstance(items, list) else []

    def read(self, model: type[_Model], raw: Any, where: Where) -> _Model | None:
        """The entry as `model`, None where that is impossible: the problems are noted."""
        try:
            return model.model_validate(raw, context=self._context)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                self.refuse((*where, *detail["loc"]), explained(detail, model))
        except MissingSecretError as error:
            self.refuse(where, str(error))
        except Exception as error:  # noqa: BLE001 - a channel of another package must not bring a reload down
            self.refuse(where, f"cannot be read: its {model.__name__} fails with {type(error).__name__}")
        return None

    def channel(self, name: str, raw: Any, redirect: Redirect | None) -> Channel | None:
        """The channel of that name, None where the problems are noted."""
        where = ("channels", name)
        if not isinstance(raw, dict):
            self.refuse(where, "must hold keys and values")
            return None
        kind = raw.get("type")
        found = self._channel_class(where, kind)
        if found is None or not isinstance(kind, str):
            return None
        settings = {key: value for key, value in raw.items() if key != "type"}
        try:
            return self.read(found, redirect(kind, settings) if redirect else settings, where)
        except ValueError as error:
            self.refuse(where, str(error))
            return None

    def look_for(self, secrets: Iterable[Secret], where: Where, raw: Mapping[str, Any]) -> None:
        """Warn of those of the entry's secrets that are not there."""
        for secret in secrets:
            if secret.missing:
                key = next((key for key, value in raw.items() if value == secret.source or _holds(value, secret)), "")
                self.warn((*where, key), f"{shown(secret.source)} is not set")
                self.missing.setdefault(secret.source, self.warnings[-1])

    def _channel_class(self, where: Where, kind: Any) -> type[Channel] | None:
        if not isinstance(kind, str):
            self.refuse((*where, "type"), f"type is missing or no text; there are: {', '.join(channel_types())}")
            return None
        try:
            return channel_class(kind)
        except UnknownTypeError:
            self.refuse((*where, "type"), unknown("type", kind, channel_types()))
        except Exception as error:  # noqa: BLE001 - importing another package's file may do anything
            self.refuse((*where, "type"), f"the channel type {kind} cannot be loaded: {type(error).__name__}")
        return None

    def _section(self, name: str) -> dict[str, Any]:
        section = self._document.data.get(name)
        return section if isinstance(section, dict) else {}


def _holds(value: object, secret: Secret) -> bool:
    return isinstance(value, list) and secret.source in value
