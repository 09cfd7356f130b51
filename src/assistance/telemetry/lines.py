"""An event as one line: JSON for an aggregator, text for a terminal, whatever stands in a field."""

import json
from collections.abc import Collection, Mapping
from datetime import date
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from math import isfinite
from pathlib import PurePath
from typing import Any
from uuid import UUID

from structlog.typing import EventDict

_LONGEST_LINE = 32_768
_LONGEST_TEXT = 1_024
_DEPTH = 8
_MEMBERS = 100
_WIDEST_INTEGER = 1 << 256


def json_line(event: Mapping[str, Any], default: object = None) -> bytes:  # noqa: ARG001 - `JSONRenderer` passes one
    """The event as one JSON object and a line feed: a serializer for structlog's `JSONRenderer`.

    In ASCII: some readers split lines at U+2028 too. Secrets: an object without a plain form is named by its type,
    never by its `repr`. Lone surrogates become `?`: strict readers refuse them, escaped or not.
    """
    try:
        line = _ascii(event)
    except (TypeError, ValueError, RecursionError, UnicodeError):
        line = ""
    if not line or len(line) > _LONGEST_LINE:
        event = _plain(event)
        line = _ascii(event)
    if "\\ud" in line:
        line = _ascii(json.loads(_unicode(event).encode("utf-8", "replace")))
    return line.encode("ascii") + b"\n"


def printable(_logger: object, _level: str, event: EventDict) -> EventDict:
    """A processor before structlog's `ConsoleRenderer`: plain values, and no character that a terminal obeys."""
    plain = {name: _escaped(value) for name, value in json.loads(json_line(event)).items()}
    if errors := plain.get("exception"):
        plain["exception"] = "\n".join(
            "\n  ".join((f"{error['type']}: {error.get('text', '')}", *error["frames"])) for error in errors
        )
    return plain


def _escaped(value: Any) -> Any:
    return repr(value)[1:-1] if isinstance(value, str) and not value.isprintable() else value


def _plain(value: object, depth: int = _DEPTH) -> Any:
    """A copy that any JSON encoder takes: finite, shallow, short, with text for keys, without any `repr`."""
    match value:
        case Enum():
            plain = _plain(value.value, depth)
        case str() if len(value) > _LONGEST_TEXT:
            plain = f"{value[:_LONGEST_TEXT]}… ({len(value)} characters)"
        case int() if abs(value) >= _WIDEST_INTEGER:
            plain = "<int>"
        case float() if not isfinite(value):
            plain = str(value)
        case None | str() | int() | float():
            plain = value
        case bytes() | bytearray():
            plain = value[:_LONGEST_TEXT].decode("utf-8", "backslashreplace")
        case PurePath() | UUID() | date() | IPv4Address() | IPv6Address():
            plain = str(value)
        case Mapping() | list() | tuple() | set() | frozenset():
            plain = _members(value, depth)
        case _:
            plain = f"<{type(value).__module__}.{type(value).__qualname__}>"
    return plain


def _members(value: Mapping[Any, Any] | Collection[Any], depth: int) -> Any:
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        pairs = islice(value.items(), _MEMBERS)
        return {str(_plain(name, 0)): _plain(member, depth - 1) for name, member in pairs}
    return [_plain(member, depth - 1) for member in islice(value, _MEMBERS)]


_ascii = json.JSONEncoder(default=_plain, allow_nan=False, separators=(",", ":")).encode
_unicode = json.JSONEncoder(default=_plain, ensure_ascii=False).encode
