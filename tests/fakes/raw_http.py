"""An HTTP server on loopback that answers with exactly the given bytes, valid HTTP or not."""

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.fakes.clock import until


@dataclass(frozen=True)
class Received:
    """One request; names of headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def answer(status: int = 200, body: bytes | dict[str, Any] = b"", **headers: str) -> bytes:
    """A whole answer; header names are written with `_` for `-`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Length": str(len(raw)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + raw


class RawHttp:
    """`async with RawHttp() as far: far.url`; `far.says` returns the answer to a request, None for no answer."""

    def __init__(
        self,
        says: Callable[[Received], bytes | None] | None = None,
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.says = says or (lambda _request: answer(200, {"id": "1", "ok": True}))
        self.requests: list[Received] = []
        self.connections = 0
        self.host = host
        self.port = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections and close those that are open."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.close()
            await until(lambda: not self._open)

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.down()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                said = self.says(request)
                if said is None:
                    await reader.read()
                    return
                writer.write(said)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # The client has closed the connection, as the test intends.
        finally:
            writer.close()
            self._open.discard(writer)


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    return Received(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
