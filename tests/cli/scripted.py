"""A server on loopback that answers what a test has written down, and remembers what it was asked."""

import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One request that arrived; `body` is its JSON, None without."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Scripted:
    """`async with Scripted({"/path": [(status, json)]}) as server`: an answer each, the last one for ever; else 404."""

    answers: dict[str, list[tuple[int, Json]]]
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        raw = await request.read()
        self.asked.append(Asked(request.method, request.path, dict(request.headers), json.loads(raw) if raw else None))
        script = self.answers.get(request.path, [(404, {"title": "Not Found", "status": 404, "request_id": "r-404"})])
        status, body = script.pop(0) if len(script) > 1 else script[0]
        return web.json_response(body, status=status, headers=self.headers)
