"""Which HTTP client: aiohttp or httpx2, 32 POSTs at a time to a server on loopback that only answers (about 12 s)."""

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import cast

import aiohttp
import httpx2
import uvloop
from rounds import compare

AT_ONCE = 32
SECONDS = 1.0
BODY = {"channel": "C088LDVP40K", "text": "A customer would like to talk to a person. " * 10}
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'

Post = Callable[[], Awaitable[bytes]]


class Answering(asyncio.Protocol):
    """Reads a request by its Content-Length and answers the same each time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        self.transport = cast("asyncio.Transport", transport)
        self.received = b""

    def data_received(self, data: bytes) -> None:
        """Answer when the body is complete."""
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].split(None, 1)[0]):
            self.received = b""
            self.transport.write(ANSWER)


def serve(ready: Connection) -> None:
    """The other process: say the port, answer until it is ended."""

    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(forever())


async def posts_per_second(post: Post) -> float:
    """32 senders, each posts again as soon as it has the answer."""
    end = time.perf_counter() + SECONDS

    async def sender() -> int:
        count = 0
        while time.perf_counter() < end:
            assert b"true" in await post()
            count += 1
        return count

    return sum(await asyncio.gather(*(sender() for _ in range(AT_ONCE)))) / SECONDS


def with_aiohttp(url: str) -> float:
    """One session, its connector's limit above what is asked of it."""

    async def measure() -> float:
        async with aiohttp.ClientSession(trust_env=False) as session:

            async def post() -> bytes:
                async with session.post(url, json=BODY, allow_redirects=False) as response:
                    return await response.read()

            return await posts_per_second(post)

    return uvloop.run(measure())


def with_httpx2(url: str) -> float:
    """One client, its limits above what is asked of it."""

    async def measure() -> float:
        limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
        async with httpx2.AsyncClient(limits=limits, trust_env=False) as client:

            async def post() -> bytes:
                content: bytes = (await client.post(url, json=BODY)).content
                return content

            return await posts_per_second(post)

    return uvloop.run(measure())


def main() -> None:
    """Start the server, let the clients take turns, end it."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,))
    server.start()
    try:
        url = f"http://127.0.0.1:{ours.recv()}/api/chat.postMessage"
        candidates = {"aiohttp": partial(with_aiohttp, url), "httpx2": partial(with_httpx2, url)}
        compare(candidates, rounds=6, unit="POSTs/s")
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
