"""The one way out: what it sends, what it takes back, and what it never tells."""

import asyncio
import gzip
import json
import socket
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import HttpUrl
from tests.fakes.clock import until
from tests.fakes.raw_http import RawHttp, answer
from tests.fakes.tls import server_context

from assistance.model import Misconfigured, Reason, TryLater, Undeliverable, Verdict
from assistance.outgoing import Http, Timeouts, redact
from assistance.settings import Secret

CANARY = "xoxb-canary-4711"
TOKEN = Secret("env:TOKEN", CANARY)


async def test_what_is_posted_arrives() -> None:
    """JSON, form and raw bytes arrive with their types, the bearer token in its header."""
    async with RawHttp() as far, Http() as http:
        await http.post(HttpUrl(f"{far.url}/a?b=c"), json={"é": "😀"}, bearer=TOKEN, headers={"X-Own": "1"})
        await http.post(Secret("env:URL", f"{far.url}/form"), data={"a": "1 2", "b": "&"})
        await http.post(far.url, data=b"\x00raw", headers={"Content-Type": "application/x-own"})
    first, form, raw = far.requests
    assert (first.method, first.path, first.json()) == ("POST", "/a?b=c", {"é": "😀"})
    assert first.headers["authorization"] == f"Bearer {CANARY}"
    assert (first.headers["content-type"], first.headers["x-own"]) == ("application/json; charset=utf-8", "1")
    assert (form.body, form.headers["content-type"]) == (b"a=1+2&b=%26", "application/x-www-form-urlencoded")
    assert (raw.body, raw.headers["content-type"]) == (b"\x00raw", "application/x-own")


async def test_one_connection_serves_many_calls() -> None:
    """Calls to one server share a connection that is kept alive."""
    async with RawHttp() as far, Http() as http:
        for _ in range(5):
            await http.get(far.url)
    assert (len(far.requests), far.connections) == (5, 1)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{", b"[1]", b'"x"', b"null", b"\xff\xfe", b"[" * 60_000, b'{"a": ' + b"9" * 9_000 + b"}"]
)
async def test_an_answer_that_is_no_json_object_is_for_later(body: bytes) -> None:
    """Whatever a body holds, `json` gives an object or a verdict."""
    async with RawHttp(lambda _: answer(200, body)) as far, Http() as http:
        reply = await http.post(far.url, json={})
    with pytest.raises(TryLater) as caught:
        reply.json()
    assert caught.value.reason == Reason.UNREADABLE_ANSWER


async def test_a_key_that_the_answer_lacks_is_for_later() -> None:
    """A channel that reads a key of an answer needs no check of its own, at any depth."""
    async with RawHttp(lambda _: answer(200, {"message": {"text": "x"}})) as far, Http() as http:
        said = (await http.post(far.url, json={})).json()
    with pytest.raises(TryLater, match="no id"):
        said["id"]
    with pytest.raises(TryLater, match="no ts"):
        said["message"]["ts"]
    assert said.get("id") is None


async def test_an_answer_is_read_to_its_cap_only() -> None:
    """More than 64 KB, or than the cap of the call, is cut off and never taken for JSON."""
    long = json.dumps({"a": "x" * 70_000}).encode()
    async with RawHttp(lambda _: answer(200, long)) as far, Http() as http:
        reply = await http.post(far.url, json={})
        assert (len(reply.body), reply.complete) == (65_536, False)
        with pytest.raises(TryLater):
            reply.json()
        assert (await http.get(far.url, cap=100_000)).json()["a"] == "x" * 70_000
        assert len((await http.get(far.url, cap=10)).body) == 10


async def test_nothing_is_unpacked() -> None:
    """A small answer cannot become a large one: none is asked for packed, and one that comes stays so."""
    packed = gzip.compress(b"x" * 10_000_000)
    async with RawHttp(lambda _: answer(200, packed, Content_Encoding="gzip")) as far, Http() as http:
        reply = await http.get(far.url)
    assert reply.body == packed
    assert far.requests[0].headers["accept-encoding"] == "identity"


async def test_no_redirect_is_followed() -> None:
    """A redirect is a wrong destination, and its target hears nothing."""
    async with RawHttp() as target, Http() as http, RawHttp(lambda _: answer(307, Location=target.url)) as far:
        with pytest.raises(Misconfigured) as caught:
            await http.post(far.url, json={"secret": "body"})
    assert (caught.value.reason, caught.value.code, target.connections) == (Reason.DESTINATION, "307", 0)


async def test_proxy_settings_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the environment sends our calls elsewhere."""
    async with RawHttp() as far, RawHttp() as proxy, Http() as http:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        await http.get(far.url)
    assert (far.connections, proxy.connections) == (1, 0)


async def test_no_cookie_is_kept() -> None:
    """What one answer wants remembered is not sent to the next."""
    async with RawHttp(lambda _: answer(200, Set_Cookie="a=b")) as far, Http() as http:
        await http.get(far.url)
        await http.get(far.url)
    assert "cookie" not in far.requests[1].headers


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
    async with RawHttp() as far, Http() as http:
        with pytest.raises(Misconfigured) as caught:
            await http.post(far.url, json={}, bearer=Secret("env:NONE", None))
    assert (caught.value.reason, caught.value.code, far.connections) == (Reason.CREDENTIALS, "secret_not_set", 0)


async def test_a_server_that_says_nothing_is_left_in_time() -> None:
    """The whole send is bounded, and so is one call that asks for less."""
    async with RawHttp(lambda _: None) as far, Http(timeouts=Timeouts(connect=0.2, whole=0.2)) as http:
        with pytest.raises(TryLater) as caught:
            await http.post(far.url, json={})
    assert caught.value.reason == Reason.TIMEOUT
    async with RawHttp(lambda _: None) as far, Http() as http:
        with pytest.raises(TryLater) as caught:
            await http.get(far.url, timeout=0.05)
    assert caught.value.reason == Reason.TIMEOUT


async def test_a_server_that_sends_its_answer_in_drops_is_left_in_time() -> None:
    """The bound holds for an answer that begins and never ends."""
    says = answer(200, b"x", Content_Length="9999")
    async with RawHttp(lambda _: says) as far, Http(timeouts=Timeouts(connect=0.2, whole=0.2)) as http:
        with pytest.raises(TryLater) as caught:
            await http.post(far.url, json={})
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
    """Nobody there, and somebody who leaves: both say `connection`."""
    async with RawHttp() as far, Http() as http:
        await far.down()
        with pytest.raises(TryLater) as refused:
            await http.post(far.url, json={})
    async with RawHttp() as far:
        far.says = _and_leave(far)
        async with Http() as http:
            with pytest.raises(TryLater) as lost:
                await http.post(far.url, json={})
    assert (refused.value.reason, refused.value.code) == (Reason.CONNECTION, "ECONNREFUSED")
    assert lost.value.reason == Reason.CONNECTION


def _and_leave(far: RawHttp) -> Callable[[object], bytes]:
    def says(_request: object) -> bytes:
        for writer in far._open:
            asyncio.get_running_loop().call_soon(writer.close)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"

    return says


async def test_what_is_not_http_is_an_unreadable_answer() -> None:
    """A server of another protocol is for later."""
    async with RawHttp(lambda _: b"220 mail.example ESMTP\r\n\r\n") as far, Http() as http:
        with pytest.raises(TryLater) as caught:
            await http.post(far.url, json={})
    assert caught.value.reason == Reason.UNREADABLE_ANSWER


async def test_a_certificate_of_a_trusted_authority_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """TLS works, and trust is what the environment's SSL_CERT_FILE says."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with RawHttp(tls=server_context(authority, "127.0.0.1")) as far, Http() as http:
        assert (await http.get(far.url)).status == 200


@pytest.mark.parametrize("flaw", ["unknown authority", "other name", "expired"])
async def test_a_certificate_that_does_not_hold_is_for_later(
    flaw: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is said to a server that cannot prove its name; it is the far side that mends it."""
    authority = trustme.CA()
    if flaw != "unknown authority":
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = server_context(authority, "elsewhere.example" if flaw == "other name" else "127.0.0.1", flaw == "expired")
    async with RawHttp(tls=context) as far, Http() as http:
        with pytest.raises(TryLater) as caught:
            await http.post(far.url, json={}, bearer=TOKEN)
    assert (caught.value.reason, far.requests) == (Reason.TLS, [])


async def test_no_verdict_tells_a_secret() -> None:
    """Token, URL and headers are in no text of an error, though the far side repeats them all."""
    secrets = {part: f"{part}-4711-canary" for part in ("path", "query", "header", "password")}
    async with RawHttp(lambda request: answer(400, f"you said {request}".encode())) as far, Http() as http:
        host = far.url.replace("//", f"//user:{secrets['password']}@")
        url = Secret("env:URL", f"{host}/hook/{secrets['path']}?key={secrets['query']}")
        with pytest.raises(Undeliverable) as refused:
            await http.post(url, json={}, headers={"X-Key": secrets["header"]})
        assert (refused.value.answer or "").startswith("you said")
        await far.down()
        with pytest.raises(TryLater) as lost:
            await http.post(url, json={}, bearer=TOKEN)
    for error in (refused.value, lost.value):
        told = "".join(traceback.format_exception(error)) + repr(vars(error))
        assert (error.__cause__, error.__context__) == (None, None)
        assert not [secret for secret in [*secrets.values(), CANARY] if secret in told]


def test_redaction_takes_secrets_out_before_it_cuts() -> None:
    """A secret is gone whole, percent-encoded too, and the answer is one printable line of 200 characters."""
    secret = "s3cr3t/with space"
    told = redact("a" * 190 + secret + " s3cr3t%2Fwith%20space\x1b[31m\r\nb" + "c" * 300, [secret, "", "s3cr3t"])
    assert "s3cr3t" not in told
    assert told.isprintable()
    assert len(told) == 200
    assert redact("short\x00 and\tclean") == "short and clean"


async def test_a_header_cannot_smuggle_another() -> None:
    """Line ends in a header's value are gone before it is sent."""
    async with RawHttp() as far, Http() as http:
        await http.post(far.url, json={}, headers={"Title": "a\r\nX-Injected: yes\x00"})
    assert "x-injected" not in far.requests[0].headers
    assert far.requests[0].headers["title"].startswith("a")


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(spans: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return provider


async def test_a_call_is_a_client_span_that_the_far_side_can_join(
    spans: InMemorySpanExporter, tracing: TracerProvider
) -> None:
    """The span says method, server and status, its id goes out as `traceparent`, and it holds no path."""
    async with RawHttp() as far, Http(tracing=tracing) as http:
        await http.post(f"{far.url}/path-canary?q=query-canary", json={}, bearer=TOKEN)
    (span,) = spans.get_finished_spans()
    assert (span.name, span.kind.name, span.status.status_code.name) == ("POST", "CLIENT", "UNSET")
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": far.port,
        "http.response.status_code": 200,
    }
    assert far.requests[0].headers["traceparent"].split("-")[2] == f"{span.context.span_id:016x}"


async def test_a_failed_call_is_a_failed_span(spans: InMemorySpanExporter, tracing: TracerProvider) -> None:
    """Status and reason stand on the span, no text of the answer."""
    async with RawHttp(lambda _: answer(503, b"body-canary")) as far, Http(tracing=tracing) as http:
        with pytest.raises(TryLater):
            await http.post(far.url, json={})
    (span,) = spans.get_finished_spans()
    assert span.status.status_code.name == "ERROR"
    assert (span.attributes or {})["error.type"] == "503"
    assert "canary" not in span.to_json()


async def test_a_call_that_is_cancelled_ends_at_once() -> None:
    """Cancelling is not a verdict: it goes through, and nothing keeps `close` waiting."""
    async with RawHttp(lambda _: None) as far, Http() as http:
        call = asyncio.create_task(http.post(far.url, json={}))
        await until(lambda: far.requests)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_slow_server_delays_no_other() -> None:
    """A hundred calls that hang at one server leave the way free to another."""
    async with RawHttp(lambda _: None) as slow, RawHttp() as quick, Http() as http:
        hanging = [asyncio.create_task(http.post(slow.url, json={})) for _ in range(100)]
        await until(lambda: len(slow.requests) == 100)
        assert (await http.get(quick.url, timeout=5)).status == 200
        for call in hanging:
            call.cancel()
        results = await asyncio.gather(*hanging, return_exceptions=True)
    assert not [result for result in results if isinstance(result, Verdict)]
