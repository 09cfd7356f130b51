"""Certificates for TLS servers, valid and invalid."""

import ssl
from datetime import UTC, datetime

import trustme


def server_context(authority: trustme.CA, name: str, expired: bool = False) -> ssl.SSLContext:  # noqa: FBT001, FBT002
    """A server's TLS context with a certificate for `name`."""
    ended = datetime(2020, 1, 1, tzinfo=UTC) if expired else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=ended).configure_cert(context)
    return context
