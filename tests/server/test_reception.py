"""Who is let in, and how many at once."""

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

from assistance.server.server import Reception

Come = Callable[[int], list[socket.socket]]


class Guests(list[asyncio.BaseTransport]):
    """The connections that are in."""

    def protocol(self) -> asyncio.Protocol:
        guests = self

        class Guest(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                guests.append(transport)

        return Guest()


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
async def guests() -> AsyncIterator[Guests]:
    guests = Guests()
    yield guests
    for guest in guests:
        guest.close()


@pytest.fixture
def come(listener: socket.socket) -> Iterator[Come]:
    """Gives so many clients, connected by the system."""
    with ExitStack() as clients:
        yield lambda number: [
            clients.enter_context(socket.create_connection(listener.getsockname())) for _ in range(number)
        ]


async def test_all_who_have_come_are_let_in_at_once(listener: socket.socket, come: Come, guests: Guests):
    """Two hundred in two turns of the loop, not one in each."""
    clients = come(200)
    reception = Reception(listener, guests.protocol)
    reception.open()
    for _ in range(8):  # a turn to see them, one for each step of a new connection
        await asyncio.sleep(0)
    assert len(guests) == len(clients)
    await reception.close()


async def test_closing_lets_in_who_is_connected_already(listener: socket.socket, come: Come, guests: Guests):
    """Nobody is reset whom the system has connected, and nobody can connect who comes later."""
    address, clients = listener.getsockname(), come(5)
    reception = Reception(listener, guests.protocol)
    reception.open()
    await reception.close()
    assert len(guests) == len(clients)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


async def test_who_has_left_before_being_let_in_harms_nobody(listener: socket.socket, come: Come, guests: Guests):
    """A connection that is reset while it waits."""
    gone, stays = come(2)
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.close()
    reception = Reception(listener, guests.protocol)
    reception.open()
    await until(lambda: any(guest.get_extra_info("peername") == stays.getsockname() for guest in guests))
    await reception.close()


async def test_without_file_descriptors_nobody_is_let_in_for_a_while(
    listener: socket.socket, come: Come, guests: Guests
):
    """It says so once and does not spin; then all who waited come in."""
    clients = come(3)
    reception = Reception(cast("socket.socket", Exhausted(listener, times=1)), guests.protocol)
    with capture_logs() as logs:
        reception.open()
        await until(lambda: len(guests) == len(clients))
    assert logs == [{"event": "no_more_connections", "log_level": "error", "error": "EMFILE"}]
    await reception.close()


async def test_closing_during_the_pause_is_no_trouble(listener: socket.socket, come: Come, guests: Guests):
    """Nothing opens again afterwards."""
    reception = Reception(cast("socket.socket", Exhausted(listener, times=1)), guests.protocol)
    clients = come(1)
    with capture_logs() as logs:
        reception.open()
        await until(lambda: bool(logs))
    await reception.close()
    assert len(guests) == len(clients)
