"""The one way out: what it sends, what it accepts, and what it never shows."""

import asyncio
import gzip
import json
import traceback

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import HttpUrl
from tests.fakes.clock import until
from tests.fakes.raw_http import RawHttp, answer

from assistance.model import Misconfigured, Reason, TryLater, Undeliverable, Verdict
from assistance.outgoing import Http, redact
from assistance.settings import Secret

CANARY = "xoxb-canary-4711"
TOKEN = Secret("env:TOKEN", CANARY)


async def test_what_is_posted_arrives() -> None:
    """JSON, form and raw bytes arrive with their types, the bearer token in its header."""
    async with RawHttp() as server, Http() as http:
        await http.post(HttpUrl(f"{server.url}/a?b=c"), json={"é": "😀"}, bearer=TOKEN, headers={"X-Own": "1"})
        await http.post(Secret("env:URL", f"{server.url}/form"), data={"a": "1 2", "b": "&"})
        await http.post(server.url, data=b"\x00raw", headers={"Content-Type": "application/x-own"})
    first, form, raw = server.requests
    assert (first.method, first.path, first.json()) == ("POST", "/a?b=c", {"é": "😀"})
    assert first.headers["authorization"] == f"Bearer {CANARY}"
    assert (first.headers["content-type"], first.headers["x-own"]) == ("application/json; charset=utf-8", "1")
    assert (form.body, form.headers["content-type"]) == (b"a=1+2&b=%26", "application/x-www-form-urlencoded")
    assert (raw.body, raw.headers["content-type"]) == (b"\x00raw", "application/x-own")


async def test_a_client_may_ask_to_read_the_refusal() -> None:
    """`ask` gives the answer whatever its status; where there is none it raises as `post` does."""
    async with RawHttp(lambda _: answer(422, {"detail": "no"})) as server, Http() as http:
        refusal = await http.ask("PUT", server.url, json={"a": 1}, bearer=TOKEN)
        await server.down()
        with pytest.raises(TryLater):
            await http.ask("GET", server.url)
    assert (refusal.status, refusal.json()["detail"], server.requests[0].method) == (422, "no", "PUT")


async def test_one_connection_serves_many_calls() -> None:
    """Calls to one server share a connection that is kept alive."""
    async with RawHttp() as server, Http() as http:
        for _ in range(5):
            await http.get(server.url)
    assert (len(server.requests), server.connections) == (5, 1)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{", b"[1]", b'"x"', b"null", b"\xff\xfe", b"[" * 60_000, b'{"a": ' + b"9" * 9_000 + b"}"]
)
async def test_an_answer_that_is_no_json_object_is_for_later(body: bytes) -> None:
    """Whatever a body holds, `json` gives an object or a verdict."""
    async with RawHttp(lambda _: answer(200, body)) as server, Http() as http:
        reply = await http.post(server.url, json={})
    with pytest.raises(TryLater) as caught:
        reply.json()
    assert caught.value.reason == Reason.UNREADABLE_ANSWER


async def test_a_key_that_the_answer_lacks_is_for_later() -> None:
    """A channel that reads a key of an answer needs no check of its own, at any depth."""
    async with RawHttp(lambda _: answer(200, {"message": {"text": "x"}})) as server, Http() as http:
        said = (await http.post(server.url, json={})).json()
    with pytest.raises(TryLater, match="no id"):
        said["id"]
    with pytest.raises(TryLater, match="no ts"):
        said["message"]["ts"]
    assert said.get("id") is None


async def test_an_answer_is_read_to_its_cap_only() -> None:
    """More than 64 KB, or than the cap of the call, is cut off and never taken for JSON."""
    long = json.dumps({"a": "x" * 70_000}).encode()
    async with RawHttp(lambda _: answer(200, long)) as server, Http() as http:
        reply = await http.post(server.url, json={})
        assert (len(reply.body), reply.complete) == (65_536, False)
        with pytest.raises(TryLater):
            reply.json()
        assert (await http.get(server.url, cap=100_000)).json()["a"] == "x" * 70_000
        assert len((await http.get(server.url, cap=10)).body) == 10


async def test_nothing_is_unpacked() -> None:
    """A small answer cannot become a large one: none is asked for packed, and one that comes stays so."""
    packed = gzip.compress(b"x" * 10_000_000)
    async with RawHttp(lambda _: answer(200, packed, Content_Encoding="gzip")) as server, Http() as http:
        reply = await http.get(server.url)
    assert reply.body == packed
    assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_no_redirect_is_followed() -> None:
    """A redirect is a wrong destination, and its target gets no request."""
    async with RawHttp() as target, Http() as http, RawHttp(lambda _: answer(307, Location=target.url)) as server:
        with pytest.raises(Misconfigured) as caught:
            await http.post(server.url, json={"secret": "body"})
    assert (caught.value.reason, caught.value.code, target.connections) == (Reason.DESTINATION, "307", 0)


async def test_proxy_settings_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the environment sends our calls elsewhere."""
    async with RawHttp() as server, RawHttp() as proxy, Http() as http:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        await http.get(server.url)
    assert (server.connections, proxy.connections) == (1, 0)


async def test_no_cookie_is_kept() -> None:
    """What one answer wants remembered is not sent to the next."""
    async with RawHttp(lambda _: answer(200, Set_Cookie="a=b")) as server, Http() as http:
        await http.get(server.url)
        await http.get(server.url)
    assert "cookie" not in server.requests[1].headers


async def test_no_verdict_shows_a_secret() -> None:
    """Token, URL and headers are in no text of an error, though the provider repeats them all."""
    secrets = {part: f"{part}-4711-canary" for part in ("path", "query", "header", "password")}
    async with RawHttp(lambda request: answer(400, f"you said {request}".encode())) as server, Http() as http:
        host = server.url.replace("//", f"//user:{secrets['password']}@")
        url = Secret("env:URL", f"{host}/hook/{secrets['path']}?key={secrets['query']}")
        with pytest.raises(Undeliverable) as refused:
            await http.post(url, json={}, headers={"X-Key": secrets["header"]})
        assert (refused.value.answer or "").startswith("you said")
        await server.down()
        with pytest.raises(TryLater) as lost:
            await http.post(url, json={}, bearer=TOKEN)
    for error in (refused.value, lost.value):
        text = "".join(traceback.format_exception(error)) + repr(vars(error))
        assert (error.__cause__, error.__context__) == (None, None)
        assert not [secret for secret in [*secrets.values(), CANARY] if secret in text]


def test_redaction_takes_secrets_out_before_it_cuts() -> None:
    """A secret is gone whole, percent-encoded too, and the answer is one printable line of 200 characters."""
    secret = "s3cr3t/with space"
    text = redact("a" * 190 + secret + " s3cr3t%2Fwith%20space\x1b[31m\r\nb" + "c" * 300, [secret, "", "s3cr3t"])
    assert "s3cr3t" not in text
    assert text.isprintable()
    assert len(text) == 200
    assert redact("short\x00 and\tclean") == "short and clean"


async def test_a_header_cannot_smuggle_another() -> None:
    """Line ends in a header's value are gone before it is sent."""
    async with RawHttp() as server, Http() as http:
        await http.post(server.url, json={}, headers={"Title": "a\r\nX-Injected: yes\x00"})
    assert "x-injected" not in server.requests[0].headers
    assert server.requests[0].headers["title"].startswith("a")


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
    async with RawHttp() as server, Http(tracing=tracing) as http:
        await http.post(f"{server.url}/path-canary?q=query-canary", json={}, bearer=TOKEN)
    (span,) = spans.get_finished_spans()
    assert (span.name, span.kind.name, span.status.status_code.name) == ("POST", "CLIENT", "UNSET")
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "http.response.status_code": 200,
    }
    assert server.requests[0].headers["traceparent"].split("-")[2] == f"{span.context.span_id:016x}"


async def test_a_failed_call_is_a_failed_span(spans: InMemorySpanExporter, tracing: TracerProvider) -> None:
    """Status and reason stand on the span, no text of the answer."""
    async with RawHttp(lambda _: answer(503, b"body-canary")) as server, Http(tracing=tracing) as http:
        with pytest.raises(TryLater):
            await http.post(server.url, json={})
    (span,) = spans.get_finished_spans()
    assert span.status.status_code.name == "ERROR"
    assert (span.attributes or {})["error.type"] == "503"
    assert "canary" not in span.to_json()


async def test_a_call_that_is_cancelled_ends_at_once() -> None:
    """Cancelling is not a verdict: it goes through, and nothing keeps `close` waiting."""
    async with RawHttp(lambda _: None) as server, Http() as http:
        call = asyncio.create_task(http.post(server.url, json={}))
        await until(lambda: server.requests)
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
