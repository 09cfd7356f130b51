"""HTTP by hand, for what no client would send; and the application that the layers are tested around."""

import asyncio
import json
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from assistance.api.app import protect
from assistance.model import SystemClock
from assistance.server.problems import Problem, add_problem_handlers


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document, whose fixed members are checked on the way."""
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        assert {"type", "title", "detail", "request_id"} <= document.keys()
        assert document["request_id"] == self.headers["x-request-id"]
        return document


class Wire:
    """One connection, by raw bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, url: str) -> "Wire":
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *fields = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(status.split()[1]), headers, body)

    async def closed(self) -> bool:
        """Wait until the server closes; whether it sent nothing before that."""
        return await self.reader.read() == b""

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def ask(url: str, request: bytes) -> Answer:
    """One request on a connection of its own."""
    wire = await Wire.open(url)
    try:
        await wire.send(request)
        return await asyncio.wait_for(wire.answer(), 10)
    finally:
        await wire.close()


def head(target: str = "/plain", method: str = "GET", *fields: str, host: str = "Host: h") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", *([host] if host else []), *fields, "", ""]).encode("latin-1")


def post(body: bytes, *fields: str, target: str = "/echo") -> bytes:
    return head(target, "POST", "Content-Type: application/json", f"Content-Length: {len(body)}", *fields) + body


class Customer(BaseModel):
    email: str


class Ask(BaseModel):
    topic: str = Field(min_length=3)
    customer: Customer | None = None
    links: list[int] = []


def application(**options: Any) -> FastAPI:
    """A small application of each kind of route, with all layers around it."""
    app = FastAPI(redirect_slashes=False)
    app.include_router(_things())
    _add_failures(app)

    @app.get("/plain")
    async def plain(request: Request) -> dict[str, str]:
        address = request.client.host if request.client else ""
        return {"path": request.url.path, "address": address, "scheme": request.url.scheme}

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/query")
    async def query(limit: Annotated[int, Query(le=200)]) -> int:
        return limit

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(await request.body())

    @app.post("/asks")
    async def asks(ask: Ask) -> Ask:
        return ask

    add_problem_handlers(app)
    protect(app, SystemClock(), **{"max_concurrency": 100, **options})
    return app


def held(app: FastAPI, release: asyncio.Event) -> list[bool]:
    """A route that answers when it may; the list grows with each request that is inside."""
    inside: list[bool] = []

    @app.post("/held")
    async def hold() -> str:
        inside.append(True)
        await release.wait()
        return "done"

    return inside


def _add_failures(app: FastAPI) -> None:
    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("customer text")

    @app.get("/refused")
    async def refused() -> None:
        raise Problem(409, "Taken", "Ana has it.", type_="/problems/taken", headers={"X-Extra": "1"}, by="Ana")


def _things() -> APIRouter:
    things = APIRouter(prefix="/things")

    @things.get("/{name}")
    async def thing(name: str, request: Request) -> str:
        request.scope["state"]["client"] = "bot-1@clients"
        return name

    return things
