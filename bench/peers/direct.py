"""The demo's design: FastAPI that sends inside the request."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import Call
from processes import child, free_port, listens

from peers import ASK, JSON, Peer, Running
from peers.empty import APPS


@contextmanager
def _running(receiver: str, folder: Path, sdk: str) -> Iterator[Running]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "direct:app", "--port", str(port), "--no-access-log"]
    env = {"PYTHONPATH": str(APPS), "RECEIVER": receiver, "SDK": sdk}
    with child(command, folder, lambda: listens(port), env=env) as pid:
        yield Running(Call(f"http://127.0.0.1:{port}/assistance", ASK, JSON), [pid])


@contextmanager
def _sdk(receiver: str, folder: Path) -> Iterator[Running]:
    with _running(receiver, folder, "1") as running:
        yield running


@contextmanager
def _best(receiver: str, folder: Path) -> Iterator[Running]:
    with _running(receiver, folder, "") as running:
        yield running


SDK = Peer("direct", "Sent inside the request, a session for each message", _sdk)
BEST = Peer("direct-best", "Sent inside the request, one session for all", _best)
