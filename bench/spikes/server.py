"""Which ASGI server: uvicorn or granian, one worker each, under `wrk` with 32 connections (about 18 s).

Needs `wrk`. `empty` is a GET. `model` and `ready` are POSTs with a body that is validated: by FastAPI, which also makes
the answer, or by the endpoint, which returns a Response of its own making.
"""

import re
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, TypeAdapter
from rounds import compare

POST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"topic": "sales", "description": "I would like to talk to a person about a larger contract."}'
"""


class Ask(BaseModel):
    """What a bot sends."""

    topic: str
    description: str


class Answer(BaseModel):
    """What it gets."""

    topic: str
    status: str = "accepted"


app = FastAPI()
ask = TypeAdapter(Ask)


@app.get("/empty")
async def empty() -> None:
    """As little as FastAPI does."""


@app.post("/model")
async def model(body: Ask) -> Answer:
    """What FastAPI makes of it."""
    return Answer(topic=body.topic)


@app.post("/ready")
async def ready(request: Request) -> Response:
    """What the endpoint makes itself."""
    body = ask.validate_json(await request.body())
    return Response(Answer(topic=body.topic).model_dump_json(), media_type="application/json")


def requests_per_second(post: Path, port: int, name: str) -> float:
    """One second of `wrk`."""
    script = [] if name == "empty" else ["-s", str(post)]
    command = ["wrk", "-t1", "-c32", "-d1s", *script, f"http://127.0.0.1:{port}/{name}"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in answer:
        raise RuntimeError(answer)
    found = re.search(r"Requests/sec:\s+([\d.]+)", answer)
    if found is None:
        raise RuntimeError(answer)
    return float(found[1])


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Return when somebody listens."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


def main() -> None:
    """Start both, let them take turns, end them."""
    python, here = sys.executable, "server:app"
    uvicorn, granian = free_port(), free_port()
    fast = ["--loop", "uvloop", "--log-level", "warning", "--no-access-log", here]
    commands = (
        [python, "-m", "uvicorn", "--port", str(uvicorn), "--http", "httptools", *fast],
        [python, "-m", "granian", "--port", str(granian), "--interface", "asgi", "--workers", "1", *fast],
    )
    servers = [subprocess.Popen(command, cwd=sys.path[0]) for command in commands]
    try:
        wait_for(uvicorn)
        wait_for(granian)
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as post:
            post.write(POST)
            post.flush()
            candidates = {
                f"{server}, {name}": partial(requests_per_second, Path(post.name), port, name)
                for name in ("empty", "model", "ready")
                for server, port in (("uvicorn", uvicorn), ("granian", granian))
            }
            compare(candidates, rounds=3, unit="requests/s")
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait()


if __name__ == "__main__":
    main()
