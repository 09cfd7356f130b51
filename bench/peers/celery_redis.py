"""FastAPI + Celery + Redis: the usual way to take the sending out of the request."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import Call
from processes import child, free_port, listens

from peers import ASK, JSON, Peer, Running
from peers.empty import APPS
from peers.installing import cache, programs, python_packages

_WORKER = ("worker", "-P", "prefork", "-c", "2", "--loglevel", "WARNING", "-n", "bench@localhost")
_LESS_TALK = ("--without-gossip", "--without-mingle")


def _missing() -> str | None:
    needed = ("celery[redis]==5.7.0", "urllib3==2.8.0")
    return programs(redis_server="redis-server") or python_packages("celery", *needed)


@contextmanager
def _running(receiver: str, folder: Path) -> Iterator[Running]:
    port, broker = free_port(), free_port()
    env = {
        "PYTHONPATH": f"{APPS}:{cache() / 'celery'}",
        "RECEIVER": receiver,
        "BROKER": f"redis://127.0.0.1:{broker}/0",
        "C_FORCE_ROOT": "1",
    }
    redis = ["redis-server", "--port", str(broker), "--bind", "127.0.0.1", "--dir", str(folder)]
    worker = [sys.executable, "-m", "celery", "-A", "celery_app:queue", *_WORKER, *_LESS_TALK]
    web = [sys.executable, "-m", "uvicorn", "celery_app:app", "--port", str(port), "--no-access-log"]
    started = folder / "worker.pid"
    started.unlink(missing_ok=True)
    with (
        child(redis, folder, lambda: listens(broker)) as redis_pid,
        child([*worker, "--pidfile", str(started)], folder, started.exists, env=env) as worker_pid,
        child(web, folder, lambda: listens(port), env=env) as web_pid,
    ):
        call = Call(f"http://127.0.0.1:{port}/assistance", ASK, JSON)
        yield Running(call, [web_pid, worker_pid, redis_pid])


PEER = Peer("celery", "FastAPI + Celery + Redis", _running, _missing)
