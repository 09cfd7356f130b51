"""What a provider answered, and what of it may be kept."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from assistance.model import Reason, TryLater

_KEPT = 200


class _Object(dict[str, Any]):
    """A JSON object. A missing key is a fault of the provider's answer, not a bug of the channel that reads it."""

    def __missing__(self, key: str) -> Any:
        raise TryLater(Reason.UNREADABLE_ANSWER, code=f"no {key}")


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer. `complete` is false when it was longer than allowed and `body` is only its start.

    `retry_after` is in seconds.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True
    retry_after: float | None = None

    def json(self) -> dict[str, Any]:
        """The JSON object in the body. Raises TryLater when there is none, and when a key is read that it lacks."""
        try:
            found = json.loads(self.body, object_hook=_Object) if self.complete else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise TryLater(Reason.UNREADABLE_ANSWER, code=str(self.status))
        return found


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The first 200 characters of `text` on one line; each of `secrets`, plain or percent-encoded, reads `[secret]`."""
    # Leak: the longest first, or of a secret that contains another a part would stay; and before the text is cut, or
    # the first half of one could stay at its end.
    for secret in sorted({form for value in secrets for form in (value, quote(value, safe=""))}, key=len, reverse=True):
        if secret:
            text = text.replace(secret, "[secret]")
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _KEPT else line[: _KEPT - 1] + "…"
