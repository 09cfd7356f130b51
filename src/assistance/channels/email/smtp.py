"""One SMTP session (RFC 5321), and the verdict of each reply code.

Why the policy is ours: the library speaks SMTP, but only we know which refusal is the channel's and which the mail's.
"""

import ssl
from asyncio import timeout
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib
from opentelemetry.trace import SpanKind

from assistance.model import Misconfigured, Reason, TryLater, Undeliverable, Verdict
from assistance.outgoing import Http, is_loopback, redact

T = TypeVar("T")

_QUIT_SECONDS = 1.0
"""By then the mail has been accepted."""
_CREDENTIALS = frozenset({530, 534, 535, 538})
_NOT_ALLOWED = frozenset({550, 553, 554})
_TOO_LARGE = 552
_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Server:
    """The submission server, and the account on it."""

    host: str
    port: int
    tls: Literal["implicit", "starttls", "off"]
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def from_url(cls, url: str) -> "Server":
        """Read `smtp://user:password@host:587` or `smtps://host:465`; `?tls=off` on loopback only, without a user.

        Raises:
            ValueError: it is none of these; the text never shows the URL.
        """
        parts = _split(url)
        if parts is None:
            raise ValueError("expected smtp://user:password@host:587 or smtps://host:465, special characters as %XX")
        if parts.query not in {"", "tls=off"}:
            raise ValueError("the only option is ?tls=off")
        host = parts.hostname or ""
        if parts.query and not is_loopback(host):
            raise ValueError("?tls=off is for loopback addresses only")
        if parts.query and "@" in parts.netloc:
            raise ValueError("?tls=off goes with no user and password: nobody logs in without TLS")
        tls: Literal["implicit", "starttls", "off"] = "implicit" if parts.scheme == "smtps" else "starttls"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(host, parts.port or _PORTS[parts.scheme], "off" if parts.query else tls, user, password)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        # Reading `port` raises ValueError when it is no port.
        usable = bool(parts.hostname) and parts.port != 0 and parts.scheme in _PORTS
    except ValueError:
        return None
    return parts if usable and not parts.path.strip("/") and not parts.fragment else None


async def run_session(server: Server, name: str, http: Http, act: Callable[[aiosmtplib.SMTP], Awaitable[T]]) -> T:
    """Connect, encrypt, log in and `act`; returns what `act` returns.

    Args:
        server: where.
        name: our own name in the greeting (RFC 5321, section 4.1.1.1).
        http: lends its time-outs, its trusted authorities and its tracer.
        act: sends the commands; its SMTP errors become verdicts.

    Raises:
        Verdict: TryLater (4xx, time-outs, network, TLS), Misconfigured (no STARTTLS, credentials, no service for us)
            or Undeliverable (5xx).
    """
    attributes: dict[str, str | int] = {"network.protocol.name": "smtp", "server.address": server.host}
    attributes["server.port"] = server.port
    with http.tracer.start_as_current_span(
        "smtp", kind=SpanKind.CLIENT, attributes=attributes, record_exception=False
    ) as span:
        try:
            return await _session(server, name, http, act)
        except Verdict as verdict:
            span.set_attribute("error.type", verdict.code or verdict.reason)
            raise


async def _session(server: Server, name: str, http: Http, act: Callable[[aiosmtplib.SMTP], Awaitable[T]]) -> T:
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.tls == "implicit",
        start_tls=False,
        tls_context=http.tls,
        local_hostname=name,
        # Lost cancellation: the library's own time-out uses `wait_for`, which in Python 3.11 may swallow one.
        timeout=None,
    )
    try:
        async with timeout(http.timeouts.whole):
            async with timeout(http.timeouts.connect):
                await client.connect()
            await _log_in(client, server)
            result = await act(client)
    except (aiosmtplib.SMTPException, OSError) as error:
        verdict = _verdict(error, server)
    else:
        # Duplicate: the mail has been accepted, so a QUIT that fails must not cause another try.
        with suppress(aiosmtplib.SMTPException, OSError):
            async with timeout(_QUIT_SECONDS):
                await client.quit()
        return result
    finally:
        client.close()
    raise verdict


async def _log_in(client: aiosmtplib.SMTP, server: Server) -> None:
    """Encrypt, then log in: neither password nor mail is sent in clear."""
    if server.tls == "off":
        return
    await client.ehlo()
    if server.tls == "starttls":
        if not client.supports_extension("starttls"):
            raise Misconfigured(Reason.TLS, code="no_starttls")
        await client.starttls()
        await client.ehlo()
    if server.user:
        if not client.supports_extension("auth"):
            raise Misconfigured(Reason.CREDENTIALS, code="auth_not_offered")
        await client.login(server.user.encode(), server.password.encode())


def _verdict(error: Exception, server: Server) -> Verdict:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        # One recipient who may be accepted later is reason enough to try again.
        verdicts = [_verdict(each, server) for each in error.recipients]
        return next((each for each in verdicts if isinstance(each, TryLater)), verdicts[0])
    if isinstance(error, aiosmtplib.SMTPResponseException):
        kind, reason = _meaning(error)
        return kind(reason, code=str(error.code), answer=redact(error.message, [server.password, server.user]) or None)
    if isinstance(error, TimeoutError):
        return TryLater(Reason.TIMEOUT)
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return TryLater(Reason.TLS)
    return TryLater(Reason.CONNECTION)


def _meaning(error: aiosmtplib.SMTPResponseException) -> tuple[type[Verdict], Reason]:
    """What a refusal means: RFC 5321, section 4.2.1, and for AUTH RFC 4954, section 6."""
    family = error.code // 100
    if family == 4:  # noqa: PLR2004 - the class of codes that says: later
        return TryLater, Reason.SERVER_ERROR
    if family != 5:  # noqa: PLR2004 - no reply code that a refusal may have
        return TryLater, Reason.UNREADABLE_ANSWER
    # The sender is the same for every mail: the channel is wrong, not this mail.
    sender = isinstance(error, aiosmtplib.SMTPSenderRefused) and error.code in _NOT_ALLOWED
    if sender or isinstance(error, aiosmtplib.SMTPAuthenticationError) or error.code in _CREDENTIALS:
        return Misconfigured, Reason.CREDENTIALS
    if isinstance(error, (aiosmtplib.SMTPConnectResponseError, aiosmtplib.SMTPHeloError)):
        return Misconfigured, Reason.DESTINATION
    if error.code == _TOO_LARGE and isinstance(error, aiosmtplib.SMTPRecipientRefused):
        # RFC 5321, section 4.5.3.1.10: some servers answer 552 for "too many recipients" where 452 is meant.
        return TryLater, Reason.SERVER_ERROR
    return Undeliverable, Reason.TOO_LONG if error.code == _TOO_LARGE else Reason.REJECTED
