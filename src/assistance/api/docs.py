"""`/docs`: a page that reads `/openapi.json` and tries it. All of it comes from here: no other network is asked."""

from importlib.resources import files

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_WEB = files(__package__ or "") / "web"
_PAGE, _STYLE, _SCRIPT = ((_WEB / name).read_bytes() for name in ("docs.html", "docs.css", "docs.js"))

routes = APIRouter(prefix="/docs", include_in_schema=False)


@routes.get("")
async def page() -> Response:
    """The page."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


@routes.get("/docs.css")
async def style() -> Response:
    """How it looks."""
    return Response(_STYLE, media_type="text/css", headers=_HEADERS)


@routes.get("/docs.js")
async def script() -> Response:
    """What it does."""
    return Response(_SCRIPT, media_type="text/javascript", headers=_HEADERS)
