"""A stand-in for one API process: answers, streams, breaks off, and records what reached it.

Run as `python upstream.py NAME JOURNAL`; prints its port, then serves until it is killed.
"""

import asyncio
import json
import sys
from pathlib import Path

from aiohttp import web

NAME, JOURNAL = sys.argv[1], Path(sys.argv[2])


def _note(request: web.Request, body: bytes) -> None:
    """Record a request in one line, before it is answered."""
    line = {"upstream": NAME, "path": request.path, "headers": dict(request.headers), "bytes": len(body)}
    with JOURNAL.open("a") as journal:
        journal.write(json.dumps(line) + "\n")


async def answer(request: web.Request) -> web.StreamResponse:
    """201 for a create, else 200; `X-Wish: NAME:break` or `NAME:problem` makes it break off or fail."""
    body = await request.read()
    _note(request, body)
    wish = request.headers.get("X-Wish", "").removeprefix(f"{NAME}:")
    if wish == "break" and request.transport:
        request.transport.abort()
    if wish == "problem":
        return web.json_response({"title": "of the API"}, status=422, content_type="application/problem+json")
    return web.json_response({"upstream": NAME}, status=201 if request.method == "POST" else 200)


async def stream(request: web.Request) -> web.StreamResponse:
    """One event at once; the second after a POST to `/hooks/slack`."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b"data: first\n\n")
    await request.app[RELEASED].wait()
    await response.write(b"data: second\n\n")
    return response


async def release(request: web.Request) -> web.Response:
    """Let the streams end."""
    request.app[RELEASED].set()
    return web.Response(status=204)


RELEASED = web.AppKey("released", asyncio.Event)


async def main() -> None:
    """Serve on a free port and print it."""
    app = web.Application(client_max_size=10_000_000)
    app[RELEASED] = asyncio.Event()
    app.router.add_get("/assistance/{id}/events", stream)
    app.router.add_post("/hooks/slack", release)
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app, keepalive_timeout=75, max_field_size=32_768)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)  # noqa: T201  # the one line that the test waits for
    await asyncio.Event().wait()


asyncio.run(main())
