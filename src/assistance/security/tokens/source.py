"""Where an issuer's keys are read: a URL, a file, or what OpenID Connect Discovery 1.0, section 4, points to."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from assistance.outgoing import is_loopback
from assistance.security.tokens.keys import UnreadableKeysError
from assistance.security.tokens.strict import json_object

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets a URL's body, of a 200 only, up to a size, without following redirects; raises any exception."""


class KeySource:
    """Where one issuer publishes its keys."""

    def __init__(self, fetch: Fetch, issuer: str, url: str | None = None) -> None:
        """Read from `url` (`https:`, `file:`, `http:` on loopback), or by discovery from `issuer`.

        Raises:
            ValueError: keys are never read from there.
        """
        where = url or issuer
        if not _trustworthy(where) and urlsplit(url or "").scheme != "file":
            raise ValueError("keys are read over https, from a file, or over http on loopback")
        self._fetch = fetch
        self._issuer = issuer
        self._url = url

    async def read(self) -> bytes:
        """The JWKS document as it is now.

        Raises:
            UnreadableKeysError: the answer is no discovery document of this issuer.
            OSError: the file cannot be read.
            Exception: what `fetch` raises.
        """
        url = self._url or await self._discovered()
        parts = urlsplit(url)
        if parts.scheme == "file":
            return await asyncio.to_thread(Path(unquote(parts.path)).read_bytes)
        return await self._fetch(url)

    async def _discovered(self) -> str:
        document = await self._fetch(self._issuer.removesuffix("/") + "/.well-known/openid-configuration")
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
    """Whether nobody on the network can change what is read from there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) if parts.scheme == "https" else parts.scheme == "http" and is_loopback(host)
