"""Accepting connections: how many at once, without file descriptors, at the end."""

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any, cast

import pytest
from structlog.testing import capture_logs
from tests.fakes.clock import until

from assistance.server.server import Acceptor

Connect = Callable[[int], list[socket.socket]]


class Connections(list[asyncio.BaseTransport]):
    """The connections that were made."""

    def protocol(self) -> asyncio.Protocol:
        connections = self

        class Connection(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                connections.append(transport)

        return Connection()


class Exhausted:
    """A listener for which the system has no file descriptor left, `times` times."""

    def __init__(self, listener: socket.socket, times: int) -> None:
        self._listener = listener
        self._times = times

    def fileno(self) -> int:
        return self._listener.fileno()

    def close(self) -> None:
        self._listener.close()

    def accept(self) -> Any:
        if self._times:
            self._times -= 1
            raise OSError(errno.EMFILE, "no more")
        return self._listener.accept()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=1_024) as listener:
        listener.settimeout(0)
        yield listener


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    connections = Connections()
    yield connections
    for connection in connections:
        connection.close()


@pytest.fixture
def connect(listener: socket.socket) -> Iterator[Connect]:
    """Gives so many clients, connected by the system."""
    with ExitStack() as clients:
        yield lambda number: [
            clients.enter_context(socket.create_connection(listener.getsockname())) for _ in range(number)
        ]


async def test_all_that_wait_are_accepted_at_once(listener: socket.socket, connect: Connect, connections: Connections):
    """Two hundred in a few iterations of the loop, not one in each."""
    clients = connect(200)
    acceptor = Acceptor(listener, connections.protocol)
    acceptor.open()
    for _ in range(8):  # an iteration to accept, one for each step of a new connection
        await asyncio.sleep(0)
    assert len(connections) == len(clients)
    await acceptor.close()


async def test_closing_accepts_what_is_connected_already(
    listener: socket.socket, connect: Connect, connections: Connections
):
    """What the system has connected is not reset; what comes later cannot connect."""
    address, clients = listener.getsockname(), connect(5)
    acceptor = Acceptor(listener, connections.protocol)
    acceptor.open()
    await acceptor.close()
    assert len(connections) == len(clients)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


async def test_a_connection_that_is_reset_before_it_is_accepted_is_skipped(
    listener: socket.socket, connect: Connect, connections: Connections
):
    """The others are accepted."""
    gone, stays = connect(2)
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.close()
    acceptor = Acceptor(listener, connections.protocol)
    acceptor.open()
    await until(lambda: any(connection.get_extra_info("peername") == stays.getsockname() for connection in connections))
    await acceptor.close()


async def test_without_file_descriptors_accepting_pauses(
    listener: socket.socket, connect: Connect, connections: Connections
):
    """It logs once and does not spin; then all that waited are accepted."""
    clients = connect(3)
    acceptor = Acceptor(cast("socket.socket", Exhausted(listener, times=1)), connections.protocol)
    with capture_logs() as logs:
        acceptor.open()
        await until(lambda: len(connections) == len(clients))
    assert logs == [{"event": "no_more_connections", "log_level": "error", "error": "EMFILE"}]
    await acceptor.close()


async def test_closing_during_the_pause_accepts_what_waits(
    listener: socket.socket, connect: Connect, connections: Connections
):
    """And nothing is accepted afterwards."""
    acceptor = Acceptor(cast("socket.socket", Exhausted(listener, times=1)), connections.protocol)
    clients = connect(1)
    with capture_logs() as logs:
        acceptor.open()
        await until(lambda: bool(logs))
    await acceptor.close()
    assert len(connections) == len(clients)
