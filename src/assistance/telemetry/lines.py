"""One event, one line: JSON for an aggregator, or text for a person, whatever stands in a field."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from math import isfinite
from pathlib import PurePath
from typing import Any
from uuid import UUID

_LONGEST_LINE = 32_768
_LONGEST_TEXT = 1_024
_DEPTH = 8
_MEMBERS = 100
_WIDEST_INTEGER = 1 << 256
_TEXTUAL = (PurePath, UUID, date, IPv4Address, IPv6Address)
_COLORS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}


def json_line(event: Mapping[str, Any]) -> bytes:
    r"""The event as one JSON object and a line feed, in ASCII, so that no reader splits it elsewhere.

    Objects without a plain form are named by their type, never by their `repr`, which may hold anything. Lone
    surrogates become `?`: strict readers refuse them, escaped or not.
    """
    try:
        line = _encode(event)
    except (TypeError, ValueError, RecursionError, UnicodeError):
        line = _encode(_plain(event))
    if len(line) > _LONGEST_LINE:
        line = _encode(_plain(event))
    if "\\ud" in line:
        line = _encode(json.loads(line, object_pairs_hook=_without_surrogates))
    return line.encode("ascii") + b"\n"


def text_line(event: Mapping[str, Any], *, color: bool) -> bytes:
    """The event as a line for a person: time, level, what happened, then the fields; an exception on lines below."""
    plain = {str(name): value for name, value in json.loads(json_line(event)).items()}
    level = str(plain.pop("level", ""))
    time = str(plain.pop("timestamp", ""))[11:23]
    failures = plain.pop("exception", [])
    logger = plain.pop("logger", "")
    head = f"{level:<8}"
    head = f"\x1b[{_COLORS.get(level, '0')}m{head}\x1b[0m" if color else head
    fields = " ".join(f"{name}={_shown(value)}" for name, value in plain.items() if name != "event")
    lines = [f"{time} {head} {_shown(plain.get('event'))} {fields} [{logger}]"]
    for failure in failures if isinstance(failures, list) else []:
        lines.append(f"    {failure['type']}: {failure.get('text', '')}")
        lines += [f"      {frame}" for frame in failure["frames"]]
    return ("\n".join(lines) + "\n").encode()


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if text.isprintable() else json.dumps(text)


def _plain_object(value: object) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return value[:_LONGEST_TEXT].decode("utf-8", "backslashreplace")
    if isinstance(value, _TEXTUAL):
        return str(value)
    if isinstance(value, (set, frozenset, Mapping)):
        return _members(value, _DEPTH)
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _plain(value: object, depth: int = _DEPTH) -> Any:
    """A copy that any JSON writer takes: finite, shallow, short, with text for keys."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}… ({len(value)} characters)"
    if value is None or isinstance(value, (bool, int, float)):
        return _finite(value)
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return _members(value, depth)
    return _plain_object(value)


def _finite(value: float | None) -> float | str | None:
    if isinstance(value, int) and abs(value) >= _WIDEST_INTEGER:
        return "<int>"
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def _members(value: Mapping[Any, Any] | Iterable[Any], depth: int) -> Any:
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        pairs = islice(value.items(), _MEMBERS)
        return {str(_plain(name, 0)): _plain(member, depth - 1) for name, member in pairs}
    return [_plain(member, depth - 1) for member in islice(value, _MEMBERS)]


def _without_surrogates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {_paired(name): _paired(value) for name, value in pairs}


def _paired(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_paired(member) for member in value]
    return value


_encode = json.JSONEncoder(default=_plain_object, allow_nan=False, separators=(",", ":")).encode
