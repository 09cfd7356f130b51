"""The fields of a callback: an address that an operator registers, signed as Standard Webhooks 1.0.0 says."""

import binascii
from base64 import b64decode
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from assistance.settings import Secret

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


def _signing(secrets: list[Secret]) -> list[Secret]:
    for secret in secrets:
        if not secret.missing and not _well_formed(secret.reveal()):
            raise ValueError(f"{secret.source} does not hold whsec_ and the base64 of at least 24 bytes")
    return secrets


def _well_formed(secret: str) -> bool:
    try:
        return secret.startswith("whsec_") and len(b64decode(secret.removeprefix("whsec_"), validate=True)) >= 24  # noqa: PLR2004 - Standard Webhooks, "Signature scheme"
    except (binascii.Error, ValueError):
        return False


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
