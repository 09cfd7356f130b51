"""The fields of a callback: an address that an operator registers, signed as Standard Webhooks 1.0.0 says."""

import binascii
from base64 import b64decode
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from assistance.settings import Secret

KEY_BYTES = 24
"""The least that Standard Webhooks 1.0.0 advises for a signing key."""

_METADATA = tuple(map(ip_network, ("169.254.169.254/32", "fd00:ec2::254/128")))


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in {"https", "http"} or not host or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be a URL: https://…")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL here holds no user or password")
    return text


def signing_key(secret: Secret) -> bytes:
    """The key behind `whsec_…`, as Standard Webhooks 1.0.0 writes it.

    Raises:
        ValueError: it is not written so; shows where the secret is, never what it is.
        MissingSecretError: there is none.
    """
    text = secret.reveal()
    try:
        key = b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key or not text.startswith("whsec_"):
        raise ValueError(f"{secret.source} does not hold whsec_ and the base64 of a key")
    return key


def short_keys(secrets: Iterable[Secret]) -> Iterator[str]:
    """What to say of keys that are shorter than Standard Webhooks wants them."""
    for secret in secrets:
        if not secret.missing and len(signing_key(secret)) < KEY_BYTES:
            yield f"the key behind {secret.source} is short: at least {KEY_BYTES} bytes are advised"


def _signing(secrets: list[Secret]) -> list[Secret]:
    for secret in secrets:
        if not secret.missing:
            signing_key(secret)
    return secrets


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("must be a network: 127.0.0.0/8") from None
    if network in _METADATA:
        raise ValueError("the metadata service is never reached")
    return network


Url = Annotated[str, AfterValidator(_url)]
"""An http or https URL without user and password. Whether plain http is taken is for the sender to say."""

Secrets = Annotated[list[Secret], Field(min_length=1), AfterValidator(_signing)]
"""Signing secrets: the first signs, all are valid."""

Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
"""A network that a callback may reach although it is private."""
