"""Where an issuer's keys are read: a URL, a file, or what OpenID Connect Discovery 1.0, section 4, points to."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from assistance.outgoing import is_loopback
from assistance.security.tokens.keys import UnreadableKeysError
from assistance.security.tokens.strict import json_object

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets a URL's body, of a 200 only, without following redirects; raises whatever it likes when it cannot."""

MAX_BYTES = 256 * 1024
"""Of one document."""


class KeySource:
    """The place of one issuer's keys."""

    def __init__(self, fetch: Fetch, issuer: str, url: str | None = None) -> None:
        """Read from `url` (`https:`, `file:`, `http:` on loopback), or by discovery from `issuer`.

        Raises:
            ValueError: such a place is never read from.
        """
        where = url or issuer
        if not _trustworthy(where) and urlsplit(url or "").scheme != "file":
            raise ValueError("keys are read over https, from a file, or over http on loopback")
        self._fetch = fetch
        self._issuer = issuer
        self._url = url

    async def read(self) -> bytes:
        """The JWKS document as it stands now.

        Raises:
            UnreadableKeysError: the place answers, but not with what it should.
            OSError: the file cannot be read.
            Exception: what `fetch` raises.
        """
        url = self._url or await self._discovered()
        parts = urlsplit(url)
        if parts.scheme == "file":
            return _sized(await asyncio.to_thread(_head, Path(unquote(parts.path))))
        return _sized(await self._fetch(url))

    async def _discovered(self) -> str:
        document = _sized(await self._fetch(self._issuer.removesuffix("/") + "/.well-known/openid-configuration"))
        try:
            found = json_object(document)
        except ValueError:
            raise UnreadableKeysError("the discovery document is not a JSON object") from None
        if found.get("issuer") != self._issuer:
            raise UnreadableKeysError("the discovery document is of another issuer")
        url = found.get("jwks_uri")
        if not isinstance(url, str) or not _trustworthy(url):
            raise UnreadableKeysError("the discovery document names no jwks_uri over https")
        return url


def _trustworthy(url: str) -> bool:
    """Whether nobody on the way can change what comes from there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) if parts.scheme == "https" else parts.scheme == "http" and is_loopback(host)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _sized(document: bytes) -> bytes:
    if len(document) > MAX_BYTES:
        raise UnreadableKeysError("the document is too large")
    return document
