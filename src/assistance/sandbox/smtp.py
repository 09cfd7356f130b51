"""A fake mail server on loopback that keeps what it takes."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import quote

from assistance.model.clock import Clock, SystemClock
from assistance.sandbox.smtp_session import Mail, Mailroom, SmtpFault, SmtpSession, Stage

__all__ = ["FakeSmtp", "Mail", "SmtpFault", "Stage"]

_SYSTEM_CLOCK = SystemClock()


class FakeSmtp:
    """Takes mail on a port of its own, in this event loop: `async with FakeSmtp() as smtp: smtp.url`.

    `starttls` offers STARTTLS with that context (`hide_starttls`: a middleman strips the offer), `implicit_tls` speaks
    TLS from the first byte. `users` maps names to passwords: then AUTH is required, inside TLS where there is TLS.
    """

    def __init__(
        self,
        *,
        starttls: ssl.SSLContext | None = None,
        implicit_tls: ssl.SSLContext | None = None,
        users: Mapping[str, str] | None = None,
        hide_starttls: bool = False,
        port: int = 0,
        keep: int = 10_000,
        clock: Clock = _SYSTEM_CLOCK,
    ) -> None:
        """Prepare it; it listens once entered. Only the last `keep` mails are remembered."""
        self.port = port
        self._room = Mailroom(
            keep=keep,
            clock=clock,
            users=None if users is None else dict(users),
            starttls=starttls,
            hide_starttls=hide_starttls,
        )
        self._implicit_tls = implicit_tls
        self._listener: asyncio.Server | None = None
        self.script = self._room.faults.script
        self.always = self._room.faults.always

    @property
    def url(self) -> str:
        """Where it is, as a channel's `smtp` setting, with the first user's name and password if there are users."""
        scheme = "smtps" if self._implicit_tls else "smtp"
        plain = "" if self._implicit_tls or self._room.starttls else "?tls=off"
        users = list((self._room.users or {}).items())[:1]
        login = "".join(f"{quote(name, '')}:{quote(word, '')}@" for name, word in users)
        return f"{scheme}://{login}127.0.0.1:{self.port}{plain}"

    @property
    def messages(self) -> list[Mail]:
        """What was taken, oldest first."""
        return self._room.inbox.items()

    async def arrived(self, total: int, within: float = 10.0) -> list[Mail]:
        """The mails, once `total` have been taken. Raises TimeoutError after `within` seconds."""
        return await self._room.inbox.reached(total, within)

    async def up(self) -> None:
        """Listen (again), on the same port as before."""
        if self._listener is None:
            # Its log tells every address and would, in development mode, stand beside our own lines.
            logging.getLogger("mail.log").setLevel(logging.ERROR)
            loop = asyncio.get_running_loop()
            self._listener = await loop.create_server(
                lambda: SmtpSession(self._room, loop), "127.0.0.1", self.port, ssl=self._implicit_tls
            )
            self.port = self._listener.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections and reset those that are open, until `up`."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await asyncio.gather(*(session.cut() for session in list(self._room.sessions)))

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.down()
