"""One connection to the fake mail server: RFC 5321, STARTTLS by RFC 3207, AUTH by RFC 4954."""

import asyncio
import ssl
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cached_property
from typing import Any, AnyStr, Literal

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, syntax

from assistance.model.clock import Clock
from assistance.sandbox.faults import Faults, end, hang, reset
from assistance.sandbox.inbox import Inbox

Stage = Literal["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpFault:
    """One thing that goes wrong at one stage; DOT is the answer after the final dot.

    `code` and `text` answer (421 closes the connection too); `hang` waits that many seconds first, True until the
    caller gives up; `drop` resets the connection. `to` picks one recipient of many (RCPT). With `after_accept` (DOT)
    the mail is taken all the same, so that the caller cannot know.
    """

    stage: Stage
    code: int | None = None
    text: str = "refused by the sandbox"
    hang: float | Literal[True] | None = None
    drop: bool = False
    to: str | None = None
    after_accept: bool = False


@dataclass(frozen=True)
class Mail:
    """A mail that was taken, with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes = field(repr=False)
    received_at: float

    @cached_property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        return message_from_bytes(self.raw, policy=policy.default)


class Mailroom:
    """What all connections of one server share."""

    def __init__(
        self,
        *,
        keep: int,
        clock: Clock,
        users: dict[str, str] | None,
        starttls: ssl.SSLContext | None,
        hide_starttls: bool,
    ) -> None:
        """See `FakeSmtp`."""
        self.inbox: Inbox[Mail] = Inbox(keep)
        self.faults: Faults[SmtpFault] = Faults()
        self.sessions: set[SmtpSession] = set()
        self.clock = clock
        self.users = users
        self.starttls = starttls
        self.hide_starttls = hide_starttls

    def accept(self, envelope: Envelope) -> None:
        """Keep the mail that the envelope holds."""
        raw = envelope.original_content or b""
        self.inbox.add(Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), raw, self.clock.now()))

    def login(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        """Compare a name and password with the users."""
        users = self.users or {}
        good = isinstance(data, LoginPassword) and users.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=good, handled=False)


class SmtpSession(SMTP):
    """Asks at each stage whether something is to go wrong there."""

    def __init__(self, room: Mailroom, loop: asyncio.AbstractEventLoop) -> None:
        """Serve one connection for `room`."""
        self.room = room
        self._lost = asyncio.Event()
        super().__init__(
            _Hooks(self),
            hostname="sandbox",
            ident="ESMTP",
            enable_SMTPUTF8=True,
            tls_context=room.starttls,
            auth_require_tls=room.starttls is not None,
            authenticator=room.login,
            loop=loop,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be known to the server while the connection lasts."""
        self._socket = transport.get_extra_info("socket")
        self.room.sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Be forgotten."""
        self.room.sessions.discard(self)
        self._lost.set()
        super().connection_lost(error)

    async def cut(self) -> None:
        """Reset the connection and wait until nothing of it is left."""
        if isinstance(self.transport, asyncio.WriteTransport) and self.transport.is_closing():
            # A TLS transport that closes has let go of its socket, and would wait for the caller's own goodbye.
            end(self._socket)
        else:
            reset(self.transport)
        await self._lost.wait()
        if self._handler_coroutine is not None:
            await asyncio.wait([self._handler_coroutine])

    async def trouble(self, stage: Stage, to: str | None = None) -> str | None:
        """The answer in place of the usual one, None to go on as usual."""
        fault = self.room.faults.take(lambda fault: fault.stage == stage and fault.to in (None, to))
        if fault is None:
            return None
        if fault.after_accept and self.envelope is not None:
            self.room.accept(self.envelope)
        if fault.hang is not None:
            await hang(fault.hang)
        if fault.drop:
            reset(self.transport)
            raise ConnectionResetError
        return None if fault.code is None else f"{fault.code} {fault.text}"

    async def _handle_client(self) -> None:
        try:
            refusal = await self.trouble("CONNECT")
            if refusal is None:
                await super()._handle_client()
            else:
                await self.push(refusal)
                self._writer.close()
        except ConnectionError:
            pass  # Cut by us or by the caller: nobody is left to tell.

    async def check_auth_needed(self, caller_method: str) -> bool:  # noqa: ARG002 - the library's signature
        """Ask for AUTH where there are users; the library's own switch warns when there is no TLS."""
        if self.room.users is None or (self.session and self.session.authenticated):
            return False
        await self.push("530 5.7.0 Authentication required")
        return True

    async def push(self, status: AnyStr) -> None:
        """Answer; 421 announces that the server closes (RFC 5321, section 3.8)."""
        await super().push(status)
        if status[:3] in ("421", b"421"):
            self._writer.close()

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - the library finds commands by these names
        """Refuse before the body, or read it."""
        refusal = await self.trouble("DATA")
        await (super().smtp_DATA(arg) if refusal is None else self.push(refusal))


class _Hooks:
    """What the library calls at each stage; it finds them by name."""

    def __init__(self, connection: SmtpSession) -> None:
        self._connection = connection

    async def handle_HELO(self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str) -> str:  # noqa: N802
        """Greet a caller who falls back to the old greeting."""
        refusal = await self._connection.trouble("EHLO")
        if refusal is None:
            session.host_name = hostname
        return refusal or "250 sandbox"

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Greet, without the offers that this server does not make."""
        refusal = await self._connection.trouble("EHLO")
        if refusal is not None:
            return [refusal]
        session.host_name = hostname
        room = self._connection.room
        hidden = {"AUTH"} if room.users is None else set()
        hidden |= {"STARTTLS"} if room.hide_starttls else set()
        return [line for line in responses if line[4:].partition(" ")[0] not in hidden]

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the sender."""
        refusal = await self._connection.trouble("MAIL")
        if refusal is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return refusal or "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take one recipient."""
        refusal = await self._connection.trouble("RCPT", address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take the mail."""
        refusal = await self._connection.trouble("DOT")
        if refusal is None:
            self._connection.room.accept(envelope)
        return refusal or "250 OK"
