"""What is no answer at all: wrong URLs, silence, lost connections, certificates that do not hold."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme
from tests.fakes.raw_http import RawHttp, answer
from tests.fakes.tls import server_context

from assistance.model import Misconfigured, Reason, TryLater
from assistance.outgoing import Http, Timeouts
from assistance.settings import Secret

TOKEN = Secret("env:TOKEN", "xoxb-canary-4711")


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "http://10.0.0.1/", "http://0.0.0.0/", "http://127.1/", "http://[::ffff:127.0.0.1]/"],
)
async def test_plain_http_is_for_loopback_only(url: str) -> None:
    """A token never leaves this machine in clear."""
    async with Http() as http:
        with pytest.raises(Misconfigured) as caught:
            await http.post(url, json={}, bearer=TOKEN)
    assert (caught.value.reason, caught.value.code) == (Reason.TLS, "https_required")


@pytest.mark.parametrize("url", ["", "x", "ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://[::1", "//a/b"])
async def test_what_is_no_http_url_is_a_wrong_destination(url: str) -> None:
    """Nonsense for a URL parks the channel and shows no text of the library."""
    async with Http() as http:
        with pytest.raises(Misconfigured) as caught:
            await http.post(url, json={})
    assert (caught.value.reason, str(caught.value)) == (Reason.DESTINATION, "destination")


async def test_a_secret_that_is_not_set_parks_the_channel() -> None:
    """Nothing is sent without its credentials."""
    async with RawHttp() as server, Http() as http:
        with pytest.raises(Misconfigured) as caught:
            await http.post(server.url, json={}, bearer=Secret("env:NONE", None))
    assert (caught.value.reason, caught.value.code, server.connections) == (Reason.CREDENTIALS, "secret_not_set", 0)


async def test_a_server_that_says_nothing_is_left_in_time() -> None:
    """The whole send is bounded, and so is one call that asks for less."""
    async with RawHttp(lambda _: None) as server, Http(timeouts=Timeouts(connect=0.2, whole=0.2)) as http:
        with pytest.raises(TryLater) as caught:
            await http.post(server.url, json={})
    assert caught.value.reason == Reason.TIMEOUT
    async with RawHttp(lambda _: None) as server, Http() as http:
        with pytest.raises(TryLater) as caught:
            await http.get(server.url, timeout=0.05)
    assert caught.value.reason == Reason.TIMEOUT


async def test_a_server_that_sends_its_answer_in_drops_is_left_in_time() -> None:
    """The bound holds for an answer that begins and never ends."""
    says = answer(200, b"x", Content_Length="9999")
    async with RawHttp(lambda _: says) as server, Http(timeouts=Timeouts(connect=0.2, whole=0.2)) as http:
        with pytest.raises(TryLater) as caught:
            await http.post(server.url, json={})
    assert caught.value.reason == Reason.TIMEOUT


async def test_a_connection_that_is_not_taken_is_left_in_time() -> None:
    """A full backlog, as behind a firewall that drops, costs no more than the time to connect."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        with ExitStack() as waiting:
            for _ in range(3):
                filler = waiting.enter_context(socket.socket())
                filler.setblocking(False)  # noqa: FBT003 - the library's signature
                filler.connect_ex(deaf.getsockname())
            async with Http(timeouts=Timeouts(connect=0.2, whole=60)) as http:
                with pytest.raises(TryLater) as caught:
                    await http.post(f"http://127.0.0.1:{deaf.getsockname()[1]}/", json={})
    assert caught.value.reason == Reason.TIMEOUT


async def test_a_refused_connection_and_a_lost_one_are_for_later() -> None:
    """No server, and a server that closes in the middle of its answer: both are `connection`."""
    async with RawHttp() as server, Http() as http:
        await server.down()
        with pytest.raises(TryLater) as refused:
            await http.post(server.url, json={})
    async with RawHttp() as server:
        server.says = _and_leave(server)
        async with Http() as http:
            with pytest.raises(TryLater) as lost:
                await http.post(server.url, json={})
    assert (refused.value.reason, refused.value.code) == (Reason.CONNECTION, "ECONNREFUSED")
    assert lost.value.reason == Reason.CONNECTION


def _and_leave(server: RawHttp) -> Callable[[object], bytes]:
    def says(_request: object) -> bytes:
        for writer in server._open:
            asyncio.get_running_loop().call_soon(writer.close)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"

    return says


async def test_what_is_not_http_is_an_unreadable_answer() -> None:
    """A server of another protocol is for later."""
    async with RawHttp(lambda _: b"220 mail.example ESMTP\r\n\r\n") as server, Http() as http:
        with pytest.raises(TryLater) as caught:
            await http.post(server.url, json={})
    assert caught.value.reason == Reason.UNREADABLE_ANSWER


async def test_a_certificate_of_a_trusted_authority_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """TLS works, and trust is what the environment's SSL_CERT_FILE says."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with RawHttp(tls=server_context(authority, "127.0.0.1")) as server, Http() as http:
        assert (await http.get(server.url)).status == 200


@pytest.mark.parametrize("flaw", ["unknown authority", "other name", "expired"])
async def test_a_certificate_that_does_not_hold_is_for_later(
    flaw: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is sent to a server that cannot prove its name; it is the provider who has to mend that."""
    authority = trustme.CA()
    if flaw != "unknown authority":
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = server_context(authority, "elsewhere.example" if flaw == "other name" else "127.0.0.1", flaw == "expired")
    async with RawHttp(tls=context) as server, Http() as http:
        with pytest.raises(TryLater) as caught:
            await http.post(server.url, json={}, bearer=TOKEN)
    assert (caught.value.reason, server.requests) == (Reason.TLS, [])
