"""The one HTTP client of the service: channels, JWKS and the commands use it."""

import json as json_
import re
import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from opentelemetry import context, propagate, trace
from pydantic import AnyUrl
from pydantic_core import PydanticSerializationError, to_json
from yarl import URL

from assistance import __version__
from assistance.model import Clock, Misconfigured, Reason, SystemClock, Verdict
from assistance.outgoing.addresses import AddressGuard, usable_url
from assistance.outgoing.response import HttpResponse, redact
from assistance.outgoing.verdicts import error_verdict, retry_after, status_verdict
from assistance.settings import MissingSecretError, Secret

_CAP = 64 * 1024
_SECRET = 8
"""Characters from which a part of a URL or a header may be a secret."""
_CONNECTIONS = 1000
"""A safety net only: each lane limits its own sends, and a provider that hangs must not use up those of another."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


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
            timeouts: 5 s and 15 s by default.
            clock: gives the time for a `Retry-After` that is a date.
            tracing: where spans go; the process's own provider by default.
        """
        self.timeouts = timeouts or Timeouts()
        self.tls = ssl.create_default_context()
        self.tracer = trace.get_tracer("assistance.outgoing", __version__, tracing)
        self._guard = guard
        self._clock = clock or SystemClock()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            limit=_CONNECTIONS,
            ssl=self.tls,
            resolver=self._guard,
            socket_factory=self._guard.socket if self._guard else None,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Decompression bomb: nothing is unpacked, so a small answer cannot become a large one.
            auto_decompress=False,
            headers={"User-Agent": f"assistance-api/{__version__}", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(
        self,
        url: str | AnyUrl | Secret,
        *,
        json: Any = None,
        data: bytes | Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        bearer: Secret | None = None,
        cap: int = _CAP,
    ) -> HttpResponse:
        """POST `json`, or `data` as it is (bytes) or as a form (mapping); returns a 2xx answer.

        Of the answer, `cap` bytes are read.

        Raises:
            TryLater: 408, 425, 429, 5xx, time-outs, failures of network and TLS.
            Misconfigured: 401, 403, 404, 410, 3xx, a URL that cannot be used, a secret that is not set.
            Undeliverable: any other 4xx.
        """
        return await self._call("POST", url, json=json, data=data, headers=headers, bearer=bearer, cap=cap)

    async def get(
        self,
        url: str | AnyUrl | Secret,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the session's own time-out, shorter for this call
        cap: int = _CAP,
    ) -> HttpResponse:
        """GET within `timeout` seconds; returns and raises as `post` does."""
        return await self._call("GET", url, timeout=timeout, cap=cap)

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
    ) -> HttpResponse:
        """The answer whatever its status, for a client that reads refusals; raises as `post` where there is none."""
        return await self._call(
            method, url, json=json, headers=headers, bearer=bearer, timeout=timeout, cap=cap, judged=False
        )

    async def _call(
        self,
        method: str,
        url: str | AnyUrl | Secret,
        *,
        json: Any = None,
        data: bytes | Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        bearer: Secret | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        cap: int = _CAP,
        judged: bool = True,
    ) -> HttpResponse:
        """One call in its span; `judged`: an answer that is not 2xx is raised as a verdict."""
        if self._session is None:
            raise RuntimeError("Http is used inside `async with`")
        target = usable_url(_reveal(url) if isinstance(url, Secret) else str(url), guarded=self._guard is not None)
        sent, body = _encoded(json, data, headers or {})
        if bearer is not None:
            # One request carries one credential: a user in the URL would win, or fail deep in the library.
            target, sent["Authorization"] = target.with_user(None), f"Bearer {_reveal(bearer)}"
        server: dict[str, str | int] = {"server.address": target.host or "", "server.port": target.port or 0}
        span = self.tracer.start_span(
            method, kind=trace.SpanKind.CLIENT, attributes={"http.request.method": method, **server}
        )
        # Without tracing there is nothing to make current, which would cost a sixth of the call.
        traced = span.get_span_context().is_valid
        with trace.use_span(span, end_on_exit=True, record_exception=False) if traced else nullcontext():
            if context.get_current():
                propagate.inject(sent)
            request = self._session.request(
                method,
                target,
                headers={name: _CONTROLS.sub(" ", value) for name, value in sent.items()},
                data=body,
                timeout=aiohttp.ClientTimeout(timeout or self.timeouts.whole, sock_connect=self.timeouts.connect),
                allow_redirects=False,
            )
            outcome = await self._outcome(request, cap)
            if isinstance(outcome, HttpResponse):
                span.set_attribute("http.response.status_code", outcome.status)
                outcome = _judged(outcome, target, sent) if judged else outcome
            if isinstance(outcome, Verdict):
                span.set_attribute("error.type", outcome.code or outcome.reason)
                raise outcome
            return outcome

    async def _outcome(
        self, request: AbstractAsyncContextManager[aiohttp.ClientResponse], cap: int
    ) -> HttpResponse | Verdict:
        """Leak: a failure is returned and not raised from the library's error, which may name the URL."""
        try:
            async with request as response:
                body, complete = await _read(response.content, cap)
        except (aiohttp.ClientError, OSError) as error:
            return error_verdict(error)
        after = retry_after(response.headers, self._clock.now())
        return HttpResponse(response.status, response.headers, body, complete, after)


def _encoded(
    json: Any, data: bytes | Mapping[str, str] | None, headers: Mapping[str, str]
) -> tuple[dict[str, str], bytes | None]:
    """The headers and the body; a `Content-Type` among the headers replaces ours."""
    if json is not None:
        return {"Content-Type": "application/json; charset=utf-8", **headers}, _json(json)
    if isinstance(data, Mapping):
        return {"Content-Type": "application/x-www-form-urlencoded", **headers}, urlencode(data).encode()
    return {**headers}, data


def _json(value: Any) -> bytes:
    try:
        return to_json(value)
    except PydanticSerializationError:
        # Half a surrogate pair: UTF-8 cannot hold it, the escapes of ASCII can.
        return json_.dumps(value).encode()


def _reveal(secret: Secret) -> str:
    try:
        return secret.reveal()
    except MissingSecretError:
        raise Misconfigured(Reason.CREDENTIALS, code="secret_not_set") from None


async def _read(content: aiohttp.StreamReader, cap: int) -> tuple[bytes, bool]:
    """The first `cap` bytes, and whether they are all."""
    if content.is_eof():
        # Most answers have arrived with their head; reading them in a loop costs a tenth of the call.
        body = content.read_nowait()
        return body[:cap], len(body) <= cap
    body = b""
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > cap:
            return body[:cap], False
    return body, True


def _judged(response: HttpResponse, url: URL, headers: Mapping[str, str]) -> HttpResponse | Verdict:
    """The answer if it is 2xx, else its verdict, with the start of the answer but nothing of what we sent."""
    verdict = status_verdict(response.status, response.retry_after)
    if verdict is None:
        return response
    sent = [*url.parts, url.raw_path_qs, url.password or "", *url.query.values(), *headers.values()]
    sent += [part for value in headers.values() for part in value.split()]
    text = response.body.decode(errors="replace")
    verdict.answer = redact(text, [value for value in sent if len(value) >= _SECRET]) or None
    return verdict
