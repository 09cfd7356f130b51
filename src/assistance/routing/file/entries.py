"""Reading the file's entries one by one: a mistake in one hides none in another."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from assistance.channels import Channel, UnknownTypeError, channel_class, channel_types
from assistance.routing.file.document import Document, Where
from assistance.routing.problem import Problem, meant, shown, unknown
from assistance.settings import MissingSecretError, Secret

Redirect = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Given a channel's type and settings as written, the settings to use instead."""

_Model = TypeVar("_Model", bound=BaseModel)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WORDS = {
    "dict_type": "must hold keys and values",
    "list_type": "must be a list: [a, b]",
    "model_attributes_type": "must hold keys and values",
    "model_type": "must hold keys and values",
    "string_too_short": "must not be empty",
    "string_type": "must be text; a number or true/false that is meant as text is written in quotes",
    "tuple_type": "must be a list: [a, b]",
}
"""Where pydantic's own words do not fit a YAML file."""


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
                self.refuse((*where, *detail["loc"]), _in_words(detail, model))
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
        if not isinstance(kind, str):
            self.refuse((*where, "type"), f"type is missing or no text; there are: {', '.join(channel_types())}")
            return None
        try:
            found = channel_class(kind)
        except UnknownTypeError:
            self.refuse((*where, "type"), unknown("type", kind, channel_types()))
            return None
        except Exception as error:  # noqa: BLE001 - importing another package's file may do anything
            self.refuse((*where, "type"), f"the channel type {kind} cannot be loaded: {type(error).__name__}")
            return None
        settings = {key: value for key, value in raw.items() if key != "type"}
        try:
            return self.read(found, redirect(kind, settings) if redirect else settings, where)
        except ValueError as error:
            self.refuse(where, str(error))
            return None

    def warn_of_missing(self, secrets: Iterable[Secret], where: Where, raw: Mapping[str, Any]) -> None:
        """Warn of each of the entry's secrets that is not there."""
        for secret in secrets:
            if secret.missing:
                written = (
                    key
                    for key, value in raw.items()
                    if secret.source in (value if isinstance(value, list) else [value])
                )
                self.warn((*where, next(written, "")), f"{shown(secret.source)} is not set")
                self.missing.setdefault(secret.source, self.warnings[-1])

    def _section(self, name: str) -> dict[str, Any]:
        section = self._document.data.get(name)
        return section if isinstance(section, dict) else {}


def _in_words(error: ErrorDetails, model: type[BaseModel]) -> str:
    """The error in the words of the routing file; `model` is what was being read. Secrets: no value is repeated."""
    kind, loc, context = error["type"], error["loc"], error.get("ctx", {})
    if kind == "missing":
        return f"{loc[-1]} is missing"
    if kind == "extra_forbidden":
        known = (field.alias or name for name, field in model.model_fields.items())
        return f"unknown key; {meant(loc[-1], known)}" if len(loc) == 1 else "unknown key"
    if kind == "value_error":
        return str(context["error"])
    if kind in {"enum", "literal_error"}:
        return f"must be one of: {context['expected']}".replace("'", "").replace(" or ", ", ")
    if kind == "too_short":
        return f"needs at least {context['min_length']} of them"
    return _WORDS.get(kind) or error["msg"].replace("Input should", "must").replace("String should", "must")
