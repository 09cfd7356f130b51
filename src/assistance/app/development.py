"""Development mode: an issuer, a Slack and a mail server of its own, all on loopback."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic_core import to_json

from assistance.security import DevelopmentIssuer
from assistance.settings.development import AUDIENCE, ISSUER, VAR

if TYPE_CHECKING:
    from assistance.sandbox import Sandbox

# The sandbox is imported where it is used: production has neither its packages nor its routes.


def sandbox(environ: Mapping[str, str]) -> "Sandbox":
    """The fake Slack and mail server, not yet listening."""
    from assistance.sandbox import Sandbox  # noqa: PLC0415

    return Sandbox(environ)


def routers(running: "Sandbox") -> list[APIRouter]:
    """What development mode serves beyond the API: `/sandbox`, and the issuer's keys at `/.well-known/jwks.json`."""
    from assistance.sandbox import router  # noqa: PLC0415

    keys, issuer = APIRouter(include_in_schema=False), DevelopmentIssuer(VAR, ISSUER, AUDIENCE)

    @keys.get("/.well-known/jwks.json")
    async def jwks() -> dict[str, Any]:
        return issuer.jwks()

    return [router(running), keys]


async def fetch_keys(_url: str) -> bytes:
    """The issuer's keys, from its folder: the service need not call itself."""
    return to_json(DevelopmentIssuer(VAR, ISSUER, AUDIENCE).jwks())


def ensure_routing_file(path: Path) -> None:
    """Write a routing file to start with where there is none."""
    if not path.exists():
        from assistance.sandbox import starter  # noqa: PLC0415

        path.write_text(starter(), encoding="utf-8")
