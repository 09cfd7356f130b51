"""Signed values for links and cookies, each for one purpose, until it expires."""

import hmac
import json
from collections.abc import Sequence
from typing import Any

from assistance.security.tokens.strict import from_base64url, json_object, to_base64url

MAX_CHARACTERS = 4096
"""Of a signed value; a longer one is refused unread."""


class BadLink(Exception):  # noqa: N818 - a person's link, not a program's error
    """The value was not signed by us for that purpose, was changed, or has expired. The text never quotes it."""


class Signer:
    """Signs with the first of several secrets and accepts them all, so that they can be changed one by one."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Raises ValueError without a secret."""
        if not secrets or not all(secrets):
            raise ValueError("a secret is needed to sign with")
        self._secrets = tuple(secret.encode() for secret in secrets)

    def sign(self, purpose: str, payload: dict[str, Any], expires_at: float) -> str:
        """A URL-safe text that `unsign` turns back into `payload` until `expires_at`. Signed, not encrypted."""
        body = to_base64url(json.dumps({"data": payload, "exp": expires_at}, separators=(",", ":")).encode())
        return f"{body}.{to_base64url(_mac(self._secrets[0], purpose, body))}"

    def unsign(self, purpose: str, token: str, now: float) -> dict[str, Any]:
        """The payload that was signed for `purpose`. Raises BadLink."""
        body, _, signature = token.partition(".")
        if len(token) > MAX_CHARACTERS or not self._is_ours(purpose, body, signature):
            raise BadLink("This link is not valid.")
        signed = json_object(from_base64url(body))
        if now >= signed["exp"]:
            raise BadLink("This link has expired.")
        payload: dict[str, Any] = signed["data"]
        return payload

    def _is_ours(self, purpose: str, body: str, signature: str) -> bool:
        try:
            mac = from_base64url(signature)
            return any(hmac.compare_digest(mac, _mac(secret, purpose, body)) for secret in self._secrets)
        except ValueError:
            return False


def _mac(secret: bytes, purpose: str, body: str) -> bytes:
    # A key of its own for each purpose: a value signed for one is not valid for another.
    key = hmac.digest(secret, f"assistance:{purpose}".encode(), "sha256")
    return hmac.digest(key, body.encode(), "sha256")
