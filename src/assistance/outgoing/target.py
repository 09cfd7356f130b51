"""Which URLs may be used at all, worked out once for each: a channel sends to the same one again and again."""

import re
from dataclasses import dataclass
from functools import lru_cache

from yarl import URL

from assistance.model import Misconfigured, Reason
from assistance.outgoing.addresses import is_loopback

_HOST = re.compile(r"[A-Za-z0-9._:-]+")
"""A name after IDNA, or an address: nothing percent-encoded, which each resolver reads in its own way."""
_HTTPS = 443


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes; `host` and `port` are what a span may tell of it."""

    url: URL
    host: str
    port: int

    def attributes(self, method: str) -> dict[str, str | int]:
        """Those of a call's span."""
        return {"http.request.method": method, "server.address": self.host, "server.port": self.port}


@lru_cache(maxsize=1_024)
def target_of(text: str, *, guarded: bool, with_user: bool) -> Target:
    """The URL, if it may be used at all.

    Args:
        text: the URL.
        guarded: whether a guard vets where connections go.
        with_user: whether the user in it counts.

    Raises:
        Misconfigured: it may not be used.
    """
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not _HOST.fullmatch(url.raw_host or ""):
        raise Misconfigured(Reason.DESTINATION)
    # With a guard, a port that is not open to the public leads only to networks that the operator has allowed.
    clear = url.port != _HTTPS if guarded else is_loopback(url.host or "")
    if url.scheme == "http" and not clear:
        raise Misconfigured(Reason.TLS, code="https_required")
    return Target(url if with_user else url.with_user(None), url.host or "", url.port or 0)
