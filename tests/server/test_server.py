"""The server inside of our process: where it listens, what it leaves alone, how it ends."""

import asyncio
import signal
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from tests.server.wire import Wire, application, ask, head

from assistance.server.server import HttpServer, listen, serve


async def test_it_leaves_signals_alone():
    """Who handles SIGTERM and SIGINT is not changed by serving."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    async with serve(application()):
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


async def test_it_does_not_name_its_software():
    """No Server field; the date is there."""
    async with serve(application()) as url:
        answer = await ask(url, head())
    assert "server" not in answer.headers
    assert answer.headers["date"].endswith("GMT")


async def test_retiring_lets_clients_go_one_by_one():
    """Once it retires, old and new connections are served, and each answer closes its connection."""
    server = HttpServer(application(), listen("127.0.0.1", 0))
    await server.start()
    wire = await Wire.open(server.url)
    await wire.send(head())
    assert "connection" not in (await wire.answer()).headers
    server.retire()
    await wire.send(head())
    assert (await wire.answer()).headers["connection"] == "close"
    assert (await ask(server.url, head())).headers["connection"] == "close"
    await wire.close()
    await server.stop()


async def test_what_is_under_way_is_finished_and_nothing_new_begins():
    """A stop waits for the answer that is being made, while new connections are refused."""
    app, entered, release = application(), asyncio.Event(), asyncio.Event()

    @app.get("/hold")
    async def hold() -> str:
        entered.set()
        await release.wait()
        return "done"

    server = HttpServer(app, listen("127.0.0.1", 0))
    await server.start()
    url = server.url
    held = asyncio.create_task(ask(url, head("/hold")))
    await entered.wait()
    stopped = asyncio.create_task(server.stop(drain=5))
    await _refused(url)
    assert not stopped.done()
    release.set()
    assert (await held).body == b'"done"'
    await stopped


async def test_a_stop_answers_all_that_have_connected():
    """Who was connected by the system and not accepted yet, has just connected, or sends a header, is answered."""
    server = HttpServer(application(), listen("127.0.0.1", 0))
    await server.start()
    url = server.url
    fresh, used = await Wire.open(url), await Wire.open(url)
    await used.send(head())
    await used.answer()
    await used.send(head()[:20])
    await asyncio.sleep(0)
    with ExitStack() as queue:
        # No iteration of the loop between these and the stop, so they are not accepted yet.
        queueing = [queue.enter_context(socket.create_connection(_address(url))) for _ in range(50)]
        for client in queueing:
            client.sendall(head())
        stopped = asyncio.create_task(server.stop(drain=5))
        await _refused(url)
        await fresh.send(head())
        await used.send(head()[20:])
        for wire in fresh, used:
            assert (await wire.answer()).headers["connection"] == "close"
            await wire.close()
        answers = [await asyncio.to_thread(client.recv, 1000) for client in queueing]
    assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 200 OK"}
    await stopped


async def test_a_stop_waits_only_shortly_for_a_silent_connection():
    """A connection on which nothing comes is closed, long before the drain is over."""
    server = HttpServer(application(), listen("127.0.0.1", 0))
    await server.start()
    silent = await Wire.open(server.url)
    async with asyncio.timeout(8):
        await server.stop(drain=60)
        assert await silent.closed()
    await silent.close()


async def _refused(url: str) -> None:
    """Return once connections are refused."""
    while True:
        try:
            await (await Wire.open(url)).close()
        except OSError:
            return


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


async def test_a_request_without_end_is_given_up_after_the_drain():
    """A stop returns when its time is over, whatever is still under way."""
    app, entered = application(), asyncio.Event()

    @app.get("/forever")
    async def forever() -> None:
        entered.set()
        await asyncio.Event().wait()

    server = HttpServer(app, listen("127.0.0.1", 0))
    await server.start()
    wire = await Wire.open(server.url)
    await wire.send(head("/forever"))
    await entered.wait()
    async with asyncio.timeout(5):
        await server.stop(drain=0.2)
    await wire.close()


def test_an_address_in_use_is_an_os_error():
    """Two servers on one address are refused at once."""
    with listen("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", first.getsockname()[1])


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
async def test_an_ipv6_address_stands_in_brackets():
    """The URL of an IPv6 listener is a URL."""
    try:
        listener = listen("::1", 0)
    except OSError:
        pytest.skip("no IPv6 loopback here")
    server = HttpServer(application(), listener)
    await server.start()
    assert server.url.startswith("http://[::1]:")
    assert (await ask(server.url, head())).status == 200
    await server.stop()
