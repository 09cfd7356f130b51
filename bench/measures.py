"""What is measured of each peer, one after the other, in a folder of its own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median

from load import Call, load, path_of, send, serials
from nginx import Nginx
from peers import Peer, Running
from processes import BenchError, cpu_seconds, kill, megabytes, wait_until

Figures = dict[str, float]
"""Figures by name; `nan` never occurs: what could not be measured is not in it."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much: seconds of accepting, notices to deliver, single notices for the latency, notices kept in an outage."""

    connections: int
    warm_up: float
    seconds: float
    notices: int
    singles: int
    kept: int
    patience: float


_QUIET = 3.0
FULL = Sizes(32, 1, 4, 5000, 100, 1000, 90)
QUICK = Sizes(8, 1, 1, 200, 10, 50, 30)


def accepting(peer: Peer, folder: Path, sizes: Sizes) -> Figures:
    """Accepts a second and their latency, closed loop; and, alone, start and memory."""
    with Nginx(folder) as nginx, _started(peer, nginx, folder) as (running, start):
        idle = megabytes(running.pids)
        load(running.call, folder, connections=sizes.connections, seconds=sizes.warm_up)
        spent = cpu_seconds(running.pids)
        seen = load(running.call, folder, connections=sizes.connections, seconds=sizes.seconds)
        spent = cpu_seconds(running.pids) - spent
        _settle(nginx, sizes.patience if peer.delivers else 0)
        found = {"accepts": seen.per_second, "accept_p50": seen.p50, "accept_p99": seen.p99}
        found |= {"start": start, "memory": idle, "memory_after": megabytes(running.pids)}
        return found | {"cpu": spent / max(seen.accepted, 1), "failed": float(seen.failed)}


def delivering(peer: Peer, folder: Path, sizes: Sizes) -> Figures:
    """From the first call until the receiver has the last notice; then one notice at a time."""
    with Nginx(folder) as nginx, _started(peer, nginx, folder) as (running, _):
        _burst(nginx, running.call, folder, sizes, max(sizes.notices // 10, 20))
        first, last, began = _burst(nginx, running.call, folder, sizes, sizes.notices)
        arrived = last - first
        alone = sorted(_singly(nginx, running.call, sizes.singles))
        return {
            "delivered": arrived / (nginx.at(last - 1) - began),
            "lost": max(0.0, sizes.notices - arrived),
            "arrival_p50": median(alone) * 1000,
            "arrival_p99": alone[int(len(alone) * 0.99)] * 1000,
        }


def _burst(nginx: Nginx, call: Call, folder: Path, sizes: Sizes, most: int) -> tuple[int, int, float]:
    """How many had arrived before and after, and when it began."""
    first = _settle(nginx, sizes.patience)
    began = time.time()
    send(
        call,
        folder,
        connections=sizes.connections,
        most=most,
        seconds=sizes.patience,
        enough=_quiet(nginx, first + most),
    )
    return first, _settle(nginx, sizes.patience), began


def _quiet(nginx: Nginx, expected: int) -> Callable[[], bool]:
    """Whether all have arrived, or none has for some seconds."""
    seen, since = nginx.arrived, time.monotonic()

    def enough() -> bool:
        nonlocal seen, since
        if nginx.arrived != seen:
            seen, since = nginx.arrived, time.monotonic()
        return seen >= expected or time.monotonic() - since > _QUIET

    return enough


def outage(peer: Peer, folder: Path, sizes: Sizes) -> Figures:
    """The receiver is away while notices are accepted: what share arrives once it is back, and how fast."""
    with Nginx(folder) as nginx, _started(peer, nginx, folder) as (running, _):
        accepted = _accepted_while_down(nginx, running.call, folder, sizes)
        return _after_outage(nginx, accepted, sizes)


def crash(peer: Peer, folder: Path, sizes: Sizes) -> Figures:
    """The same, and everything of the peer is killed while it waits: what share arrives after a new start."""
    with Nginx(folder) as nginx:
        with suppress(BenchError), _started(peer, nginx, folder) as (running, _):
            accepted = _accepted_while_down(nginx, running.call, folder, sizes)
            kill(running.pids)
        with _started(peer, nginx, folder, probe=False):
            found = _after_outage(nginx, accepted, sizes)
            return {"kept_crash": found["kept"]} if found else {}


def _accepted_while_down(nginx: Nginx, call: Call, folder: Path, sizes: Sizes) -> int:
    nginx.down()
    return send(call, folder, connections=sizes.connections, most=sizes.kept, seconds=3, enough=lambda: False).accepted


def _after_outage(nginx: Nginx, accepted: int, sizes: Sizes) -> Figures:
    before = nginx.arrived
    back = time.time()
    nginx.up()
    if not accepted:
        # Nothing was promised, so nothing can be lost: whoever asked was told.
        return {}
    wait_until(lambda: nginx.arrived - before >= accepted, min(sizes.patience, 45), every=0.05)
    arrived = nginx.arrived - before
    found = {"kept": min(1.0, arrived / accepted)}
    if arrived >= accepted:
        found["recovery"] = nginx.at(before) - back
        found["drain"] = arrived / max(nginx.at(before + arrived - 1) - nginx.at(before), 0.001)
    return found


@contextmanager
def _started(peer: Peer, nginx: Nginx, folder: Path, *, probe: bool = True) -> Iterator[tuple[Running, float]]:
    """The peer, and the seconds from nothing to its first accept."""
    began = time.monotonic()
    with peer.start(nginx.url, folder) as running:
        if probe and not wait_until(lambda: _call(running.call), 30, every=0.02):
            raise BenchError(f"{peer.title} accepts nothing")
        yield running, time.monotonic() - began


def _call(call: Call) -> bool:
    host, port, path = path_of(call.url)
    connection = HTTPConnection(host, port, timeout=5)
    try:
        connection.request("POST", path, call.text(serials()), dict(call.headers))
        return connection.getresponse().status < 300
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _settle(nginx: Nginx, seconds: float) -> int:
    """How many have arrived, once nothing has for half a second."""
    seen, since, end = nginx.arrived, time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < end and time.monotonic() - since < 0.5:
        time.sleep(0.02)
        if nginx.arrived != seen:
            seen, since = nginx.arrived, time.monotonic()
    return seen


def _singly(nginx: Nginx, call: Call, count: int) -> list[float]:
    """Seconds from the call until the receiver has it, one at a time."""
    host, port, path = path_of(call.url)
    connection = HTTPConnection(host, port, timeout=10)
    took = []
    first = serials()
    for serial in range(first, first + count):
        before = nginx.arrived
        began = time.monotonic()
        connection.request("POST", path, call.text(serial), dict(call.headers))
        if not wait_until(lambda at=before: nginx.arrived > at, 10, every=0.0002):  # type: ignore[misc]
            raise BenchError("a single notice did not arrive")
        took.append(time.monotonic() - began)
        connection.getresponse().read()
        time.sleep(0.01)
    connection.close()
    return took
