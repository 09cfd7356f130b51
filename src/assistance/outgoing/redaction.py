"""What of a provider's answer may be kept: its start, on one line, without our secrets."""

from collections.abc import Iterable
from urllib.parse import quote

_KEPT = 200


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The first 200 characters of `text` on one line; each of `secrets`, plain or percent-encoded, reads `[secret]`."""
    # The longest first, or a secret that holds another would leave its rest behind; and before cutting, or half of
    # one could stay at the end.
    for secret in sorted({form for value in secrets for form in (value, quote(value, safe=""))}, key=len, reverse=True):
        if secret:
            text = text.replace(secret, "[secret]")
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _KEPT else line[: _KEPT - 1] + "…"
