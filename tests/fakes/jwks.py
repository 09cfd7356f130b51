"""An issuer's discovery document and keys over a real socket; it can hang, fail or answer nonsense."""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from aiohttp import ClientSession, web

if TYPE_CHECKING:
    from collections.abc import Callable


class JwksServer:
    """Serves `/.well-known/openid-configuration` and `/jwks.json` on loopback.

    `keys` are published; a test may change them. `fetches` and `discoveries` count the requests that arrived.
    `discovery` and `body` replace what is answered. `grant` makes the token of Auth0's client-credentials grant, given
    what was posted to `/oauth/token`.
    """

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.fetches = 0
        self.discoveries = 0
        self.discovery: dict[str, Any] = {}
        self.body: bytes | None = None
        self.grant: Callable[[dict[str, Any]], str] | None = None
        self.issuer = ""
        self._status = 200
        self._open = asyncio.Event()
        self._open.set()

    @property
    def url(self) -> str:
        return f"{self.issuer}jwks.json"

    def hang(self) -> None:
        """Accept requests and answer none until `resume`."""
        self._open.clear()

    def resume(self) -> None:
        self._open.set()

    def fail(self, status: int = 500) -> None:
        """Answer every request with that status; 200 ends this."""
        self._status = status

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._discover)
        app.router.add_get("/jwks.json", self._publish)
        app.router.add_post("/oauth/token", self._grant)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.issuer = f"http://{host}:{port}/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resume()
        await self._runner.cleanup()

    async def _discover(self, _request: web.Request) -> web.Response:
        self.discoveries += 1
        await self._open.wait()
        document = {"issuer": self.issuer, "jwks_uri": self.url, **self.discovery}
        return web.json_response(document, status=self._status)

    async def _publish(self, _request: web.Request) -> web.Response:
        self.fetches += 1
        await self._open.wait()
        if self.body is not None:
            return web.Response(body=self.body, status=self._status)
        return web.json_response({"keys": self.keys}, status=self._status)

    async def _grant(self, request: web.Request) -> web.Response:
        if self.grant is None:
            raise web.HTTPNotFound
        return web.json_response({"access_token": self.grant(await request.json())})


class Fetcher:
    """Gets bodies over one aiohttp session, as the service's `Http` does."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def __call__(self, url: str) -> bytes:
        async with self._session.get(url, allow_redirects=False) as answer:
            if answer.status != web.HTTPOk.status_code:
                raise OSError(f"status {answer.status}")
            return await answer.read()
