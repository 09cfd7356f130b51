"""Development mode: an issuer, a Slack and a mail server of its own, all on loopback."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic_core import to_json

from assistance.sandbox import starter
from assistance.security import DevelopmentIssuer

VAR = Path("var")
"""Where development mode keeps its database and the issuer's key."""
ISSUER = "http://localhost/assistance-development"
AUDIENCE = "assistance-development"


def issuer() -> DevelopmentIssuer:
    """The development issuer, with its key below `var/`."""
    return DevelopmentIssuer(VAR, ISSUER, AUDIENCE)


def fetch_from(known: DevelopmentIssuer) -> Callable[[str], Awaitable[bytes]]:
    """A fetch of the issuer's keys that needs no network."""

    async def fetch(_url: str) -> bytes:
        return to_json(known.jwks())

    return fetch


def jwks_router(known: DevelopmentIssuer) -> APIRouter:
    """`/.well-known/jwks.json`, for whoever else wants to check the development tokens."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/.well-known/jwks.json")
    async def jwks() -> dict[str, Any]:
        return known.jwks()

    return routes


def ensure_routing_file(path: Path) -> bool:
    """Write a routing file to start with where there is none; whether it was written."""
    if path.exists():
        return False
    path.write_text(starter(), encoding="utf-8")
    return True
