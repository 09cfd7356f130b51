"""Development mode: an issuer, a Slack and a mail server of its own, all on loopback."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic_core import to_json

from assistance.security import DevelopmentIssuer
from assistance.settings.development import AUDIENCE, DATABASE, ISSUER, VAR

if TYPE_CHECKING:
    from assistance.sandbox import Sandbox

__all__ = ["AUDIENCE", "DATABASE", "ISSUER", "VAR", "ensure_routing_file", "fetch_from", "issuer", "jwks_router"]


def issuer() -> DevelopmentIssuer:
    """The development issuer, with its key below `var/`."""
    return DevelopmentIssuer(VAR, ISSUER, AUDIENCE)


def fetch_from(known: DevelopmentIssuer) -> Callable[[str], Awaitable[bytes]]:
    """A fetch of the issuer's keys that needs no network."""

    async def fetch(_url: str) -> bytes:
        return to_json(known.jwks())

    return fetch


def sandbox(environ: Mapping[str, str]) -> "Sandbox":
    """The fake Slack and mail server, not yet listening."""
    # Outside development mode nobody pays for the servers behind it, nor finds them.
    from assistance.sandbox import Sandbox  # noqa: PLC0415

    return Sandbox(environ)


def routers(running: "Sandbox") -> list[APIRouter]:
    """What development mode serves beyond the API."""
    from assistance.sandbox import router  # noqa: PLC0415

    return [router(running), jwks_router(issuer())]


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
    from assistance.sandbox import starter  # noqa: PLC0415

    path.write_text(starter(), encoding="utf-8")
    return True
