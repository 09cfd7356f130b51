"""The one way out over HTTP: what every channel, the JWKS and `assistance send` speak through."""

import json as json_
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from opentelemetry import context, propagate, trace
from pydantic import AnyUrl
from pydantic_core import PydanticSerializationError, to_json
from yarl import URL

from assistance import __version__
from assistance.model import Clock, Misconfigured, Reason, SystemClock, Verdict
from assistance.outgoing.addresses import AddressGuard
from assistance.outgoing.redaction import redact
from assistance.outgoing.reply import Reply
from assistance.outgoing.target import Target, target_of
from assistance.outgoing.verdicts import error_verdict, retry_after, status_verdict
from assistance.settings import MissingSecretError, Secret

_CAP = 64 * 1024
_TELLING = 8
"""Characters from which a part of a URL or a header may be a secret."""
_CONNECTIONS = 1000
"""A safety net only: each lane bounds its own sends, and one that hangs must not use up another's connections."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_GOOD = range(200, 300)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect (TLS included), and for the whole send."""

    connect: float = 5.0
    whole: float = 15.0


class Http:
    """One client session for the whole service; used inside `async with`.

    It follows no redirect, keeps no cookie and reads neither proxy settings nor netrc. Each call is a client span by
    the semantic conventions for HTTP, without path and query: either may hold a secret.
    """

    def __init__(
        self,
        *,
        guard: AddressGuard | None = None,
        timeouts: Timeouts | None = None,
        clock: Clock | None = None,
        tracing: trace.TracerProvider | None = None,
    ) -> None:
        """Prepare the session.

        Args:
            guard: vets every address; needed wherever a URL is not the operator's own.
            timeouts: 5 s and 15 s unless told.
            clock: tells the time for a `Retry-After` that is a date.
            tracing: where spans go; the process's own provider unless told.
        """
        self.timeouts = timeouts or Timeouts()
        self.tls = ssl.create_default_context()
        self._guard = guard
        self._clock = clock or SystemClock()
        self._usual = aiohttp.ClientTimeout(total=self.timeouts.whole, sock_connect=self.timeouts.connect)
        self.tracer = trace.get_tracer("assistance.outgoing", __version__, tracing)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Start; needs a running event loop."""
        connector = aiohttp.TCPConnector(
            limit=_CONNECTIONS,
            ssl=self.tls,
            resolver=self._guard,
            socket_factory=self._guard.socket if self._guard else None,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Nothing is unpacked, so a small answer cannot become a large one.
            auto_decompress=False,
            headers={"User-Agent": f"assistance-api/{__version__}", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def post(
        self,
        url: str | AnyUrl | Secret,
        *,
        json: Any = None,
        data: bytes | Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        bearer: Secret | None = None,
        cap: int = _CAP,
    ) -> Reply:
        """POST `json`, or `data` as it is (bytes) or as a form (mapping); what comes back is a 2xx answer.

        Of the answer, `cap` bytes are read.

        Raises:
            TryLater: 408, 425, 429, 5xx, time-outs, failures of network and TLS.
            Misconfigured: 401, 403, 404, 410, 3xx, a URL that cannot be used, a secret that is not set.
            Undeliverable: any other 4xx.
        """
        sent = {**(headers or {})}
        if json is not None:
            sent, data = {"Content-Type": "application/json; charset=utf-8", **sent}, _json(json)
        elif isinstance(data, Mapping):
            sent, data = {"Content-Type": "application/x-www-form-urlencoded", **sent}, urlencode(data).encode()
        return await self._call("POST", url, headers=sent, bearer=bearer, data=data, cap=cap)

    async def get(
        self,
        url: str | AnyUrl | Secret,
        *,
        headers: Mapping[str, str] | None = None,
        bearer: Secret | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the session's own time-out, shorter for this call
        cap: int = _CAP,
    ) -> Reply:
        """GET within `timeout` seconds at most `cap` bytes; raises as `post` does."""
        return await self._call("GET", url, headers={**(headers or {})}, bearer=bearer, timeout=timeout, cap=cap)

    async def ask(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        bearer: Secret | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        cap: int = _CAP,
    ) -> Reply:
        """The answer whatever its status, for a client that reads refusals; raises as `post` where there is none."""
        sent = {"Content-Type": "application/json", **(headers or {})} if json is not None else {**(headers or {})}
        data = None if json is None else _json(json)
        return await self._call(
            method, url, headers=sent, bearer=bearer, data=data, timeout=timeout, cap=cap, judged=False
        )

    async def _call(
        self,
        method: str,
        url: str | AnyUrl | Secret,
        *,
        headers: dict[str, str],
        bearer: Secret | None,
        data: bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        cap: int = _CAP,
        judged: bool = True,
    ) -> Reply:
        # One request carries one proof; what the URL says would win or fail deep in the library.
        target = target_of(
            _reveal(url) if isinstance(url, Secret) else str(url),
            guarded=self._guard is not None,
            with_user=bearer is None,
        )
        if bearer is not None:
            headers["Authorization"] = f"Bearer {_reveal(bearer)}"
        call = _Call(method, target, headers, data, self._patience(timeout), cap, judged)
        span = self.tracer.start_span(method, kind=trace.SpanKind.CLIENT, attributes=target.attributes(method))
        if not span.get_span_context().is_valid:
            # Nobody traces: the rest need not pay for it.
            return await self._carry_out(call, span)
        with trace.use_span(span, end_on_exit=True, record_exception=False):
            return await self._carry_out(call, span)

    def _patience(self, timeout: float | None) -> aiohttp.ClientTimeout:
        if not timeout:
            return self._usual
        return aiohttp.ClientTimeout(total=timeout, sock_connect=self.timeouts.connect)

    async def _carry_out(self, call: "_Call", span: trace.Span) -> Reply:
        if context.get_current():
            propagate.inject(call.headers)
        outcome = await self._exchange(call)
        if isinstance(outcome, Reply):
            span.set_attribute("http.response.status_code", outcome.status)
            outcome = _judged(outcome, call.target.url, call.headers) if call.judged else outcome
        if isinstance(outcome, Verdict):
            span.set_attribute("error.type", outcome.code or outcome.reason)
            raise outcome
        return outcome

    async def _exchange(self, call: "_Call") -> Reply | Verdict:
        """One request. A failure is returned, not raised from the library's error, which may name the URL."""
        if self._session is None:
            raise RuntimeError("Http is used inside `async with`")
        clean = {
            name: value if value.isprintable() else _CONTROLS.sub(" ", value) for name, value in call.headers.items()
        }
        try:
            async with self._session.request(
                call.method,
                call.target.url,
                headers=clean,
                data=call.data,
                timeout=call.timeout,
                allow_redirects=False,
            ) as response:
                body, complete = await _read(response, call.cap)
        except (aiohttp.ClientError, OSError) as error:
            return error_verdict(error)
        after = retry_after(response.headers, self._clock.now())
        return Reply(response.status, response.headers, body, complete, after)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call as it goes out; `judged`: a bad answer is a verdict."""

    method: str
    target: Target
    headers: dict[str, str]
    data: bytes | None
    timeout: aiohttp.ClientTimeout
    cap: int
    judged: bool


def _json(value: Any) -> bytes:
    try:
        return to_json(value)
    except PydanticSerializationError:
        # Half a surrogate pair, which only the escapes of ASCII can spell.
        return json_.dumps(value).encode()


def _reveal(secret: Secret) -> str:
    try:
        return secret.reveal()
    except MissingSecretError:
        raise Misconfigured(Reason.CREDENTIALS, code="secret_not_set") from None


async def _read(response: aiohttp.ClientResponse, cap: int) -> tuple[bytes, bool]:
    if response.content.is_eof():
        # Small ones have come whole with their head.
        whole = response.content.read_nowait()
        return whole[:cap], len(whole) <= cap
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > cap:
            response.close()
            return bytes(body[:cap]), False
    return bytes(body), True


def _judged(reply: Reply, url: URL, headers: Mapping[str, str]) -> Reply | Verdict:
    if reply.status in _GOOD:
        # What is told of an answer is costly to clean, and nobody reads it of a good one.
        return reply
    return status_verdict(reply.status, reply.retry_after, _told(reply, url, headers)) or reply


def _told(reply: Reply, url: URL, headers: Mapping[str, str]) -> str:
    """The start of the answer, without what we sent and would not have repeated: path, query, headers."""
    sent = [*url.parts, url.raw_path_qs, url.password or "", *url.query.values(), *headers.values()]
    sent += [part for value in headers.values() for part in value.split()]
    return redact(reply.body.decode(errors="replace"), [value for value in sent if len(value) >= _TELLING])
