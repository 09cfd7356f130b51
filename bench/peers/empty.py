"""The ceiling: a FastAPI endpoint that does nothing, one worker."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import Call
from processes import child, free_port, listens

from peers import ASK, JSON, Peer, Running
from peers.installing import cache, python_packages

APPS = Path(__file__).parent.parent / "apps"


@contextmanager
def _served(folder: Path, module: str, *options: str) -> Iterator[Running]:
    port = free_port()
    command = [sys.executable, "-m", module, "empty:app", "--port", str(port), "--host", "127.0.0.1", *options]
    path = f"{APPS}:{cache() / module}"
    with child(command, folder, lambda: listens(port), env={"PYTHONPATH": path}) as pid:
        yield Running(Call(f"http://127.0.0.1:{port}/assistance", ASK, JSON), [pid])


@contextmanager
def _uvicorn(_receiver: str, folder: Path) -> Iterator[Running]:
    with _served(folder, "uvicorn", "--loop", "uvloop", "--http", "httptools", "--no-access-log") as running:
        yield running


@contextmanager
def _granian(_receiver: str, folder: Path) -> Iterator[Running]:
    with _served(folder, "granian", "--interface", "asgi", "--loop", "uvloop", "--workers", "1") as running:
        yield running


UVICORN = Peer("uvicorn", "Empty FastAPI endpoint on uvicorn", _uvicorn, delivers=False)
GRANIAN = Peer(
    "granian",
    "Empty FastAPI endpoint on granian",
    _granian,
    lambda: python_packages("granian", "granian==2.8.7"),
    delivers=False,
)
