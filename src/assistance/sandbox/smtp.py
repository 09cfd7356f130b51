"""A fake mail server on loopback: aiosmtpd, with faults."""

import asyncio
import logging
import socket
import ssl
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cached_property
from typing import Any, AnyStr, Literal
from urllib.parse import quote

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from assistance.sandbox.fake import CLOCK, Fake, duplicate, hang, reset

Stage = Literal["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpFault:
    """One thing that goes wrong at one stage; DOT is the answer after the final dot.

    `code` and `text` answer (421 closes the connection too); `hang` waits that many seconds first, True until the
    client gives up; `drop` resets the connection. `to` picks one recipient of many (RCPT). With `after_accept` (DOT)
    the mail is accepted all the same, so that the client cannot know.
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
    """A mail that was accepted, with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes = field(repr=False)
    received_at: float

    @cached_property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        return message_from_bytes(self.raw, policy=policy.default)


class FakeSmtp(Fake[Mail, SmtpFault]):
    """Accepts mail: `async with FakeSmtp() as smtp: smtp.url`.

    `starttls` offers STARTTLS with that context, `implicit_tls` speaks TLS from the first byte. `users` maps names to
    passwords: then AUTH is required, inside TLS where there is STARTTLS.
    """

    def __init__(
        self,
        *,
        starttls: ssl.SSLContext | None = None,
        implicit_tls: ssl.SSLContext | None = None,
        users: dict[str, str] | None = None,
        keep: int = 10_000,
    ) -> None:
        super().__init__(keep)
        self.starttls = starttls
        self.users = users
        self.sessions: set[_Connection] = set()
        self._implicit_tls = implicit_tls

    @property
    def url(self) -> str:
        """Where it is, as a channel's `smtp` setting, with the first user's name and password if there are users."""
        scheme = "smtps" if self._implicit_tls else "smtp"
        plain = "" if self._implicit_tls or self.starttls else "?tls=off"
        login = "".join(f"{quote(name, '')}:{quote(word, '')}@" for name, word in list((self.users or {}).items())[:1])
        return f"{scheme}://{login}127.0.0.1:{self.port}{plain}"

    async def _listen(self) -> asyncio.Server:
        # aiosmtpd logs every address, and would do so between our own lines.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port, ssl=self._implicit_tls)

    async def _cut(self) -> None:
        handlers = [each.cut() for each in list(self.sessions)]
        if handlers:
            await asyncio.wait(handlers)

    def accept(self, envelope: Envelope) -> None:
        """Keep the mail of the envelope."""
        raw = envelope.original_content or b""
        self.inbox.add(Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), raw, CLOCK.now()))

    def login(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        """Compare a name and password with the users."""
        users = self.users or {}
        good = isinstance(data, LoginPassword) and users.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=good, handled=False)

    async def handle_EHLO(  # noqa: N802 - the library finds a hook by its name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, offers: list[str]
    ) -> list[str]:
        """Offer AUTH only where there are users."""
        session.host_name = hostname
        return [offer for offer in offers if self.users is not None or not offer.startswith("250-AUTH")]

    async def handle_DATA(self, server: "_Connection", _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Accept the mail, unless there is a fault after the final dot."""
        refusal = await server.trouble("DOT")
        if refusal is None:
            self.accept(envelope)
        return refusal or "250 OK"


class _Connection(SMTP):
    """One client."""

    def __init__(self, fake: FakeSmtp) -> None:
        self._fake = fake
        with warnings.catch_warnings():
            # It warns of AUTH without TLS: this server is on loopback.
            warnings.simplefilter("ignore")
            super().__init__(
                fake,
                hostname="sandbox",
                ident="ESMTP",
                enable_SMTPUTF8=True,
                tls_context=fake.starttls,
                auth_required=fake.users is not None,
                auth_require_tls=fake.starttls is not None,
                authenticator=fake.login,
                loop=asyncio.get_running_loop(),
            )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._fake.sessions.add(self)
        self._socket = transport.get_extra_info("socket")
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._fake.sessions.discard(self)
        super().connection_lost(error)

    def cut(self) -> "asyncio.Task[None]":
        """Reset the connection; what is returned ends when nothing of it is left."""
        if isinstance(self.transport, asyncio.WriteTransport) and self.transport.is_closing():
            # Hang: a TLS transport that is closing waits for the client's goodbye, and cannot be aborted any more.
            with duplicate(self._socket) as same, suppress(OSError):
                same.shutdown(socket.SHUT_RDWR)
        else:
            reset(self.transport)
        assert self._handler_coroutine is not None
        return self._handler_coroutine

    async def trouble(self, stage: Stage, argument: str = "") -> str | None:
        """The answer in place of the usual one, None to go on as usual."""
        fault = self._fake.take(lambda each: each.stage == stage and (each.to is None or f"<{each.to}>" in argument))
        if fault is None:
            return None
        if fault.after_accept and self.envelope is not None:
            self._fake.accept(self.envelope)
        if fault.hang is not None:
            await hang(fault.hang)
        if fault.drop:
            reset(self.transport)
            raise ConnectionResetError
        return None if fault.code is None else f"{fault.code} {fault.text}"

    async def _handle_client(self) -> None:
        with suppress(ConnectionError):  # cut, by a fault or by the client
            refusal = await self.trouble("CONNECT")
            if refusal is None:
                await super()._handle_client()
            else:
                await self.push(refusal)
                self._writer.close()

    async def push(self, status: AnyStr) -> None:
        """Answer; 421 announces that the server closes (RFC 5321, section 3.8)."""
        await super().push(status)
        if status[:3] in ("421", b"421"):
            self._writer.close()


def _command(name: str, stage: Stage) -> Any:
    """The library's method for a command, with the fault of that stage before it."""
    usual = getattr(SMTP, f"smtp_{name}")

    async def command(connection: _Connection, argument: str | None) -> None:
        refusal = await connection.trouble(stage, argument or "")
        await (usual(connection, argument) if refusal is None else connection.push(refusal))

    return command


_STAGES: dict[str, Stage] = {"HELO": "EHLO", "EHLO": "EHLO", "MAIL": "MAIL", "RCPT": "RCPT", "DATA": "DATA"}
for _name, _stage in _STAGES.items():
    setattr(_Connection, f"smtp_{_name}", _command(_name, _stage))
