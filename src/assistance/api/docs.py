"""`/docs`: Swagger UI, with its files from the package `fastapi-swagger`; no other host is contacted."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

_HEADERS = {
    "Cache-Control": "max-age=3600",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_OURS = Path(__file__).with_name("web")
# Not the package's own page: its script is inline, which this policy forbids, and its icon comes from another host.
_SWAGGER_UI = Path(str(files("fastapi_swagger") / "resources"))

routes = APIRouter(prefix="/docs", include_in_schema=False)


def _serve(path: str, file: Path) -> None:
    async def answer() -> FileResponse:
        return FileResponse(file, headers=_HEADERS)

    routes.add_api_route(path, answer)


_serve("", _OURS / "docs.html")
_serve("/docs.js", _OURS / "docs.js")
_serve("/swagger-ui-bundle.js", _SWAGGER_UI / "swagger-ui-bundle.js")
_serve("/swagger-ui.css", _SWAGGER_UI / "swagger-ui.css")
