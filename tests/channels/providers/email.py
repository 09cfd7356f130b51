"""The fake mail server of development mode, with STARTTLS and a password."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, ClassVar, Self

import trustme
from tests.channels import fake_provider
from tests.fakes.tls import server_context

from assistance.model import Misconfigured, TryLater, Undeliverable, Verdict
from assistance.sandbox.smtp import FakeSmtp, Mail, SmtpFault


class Provider(fake_provider.FakeProvider):
    verdicts: ClassVar[Mapping[int, type[Verdict]]] = {
        **dict.fromkeys((421, 450, 451, 452, 454, 455), TryLater),
        **dict.fromkeys((530, 534, 535, 538), Misconfigured),
        **dict.fromkeys((500, 501, 502, 503, 504, 550, 551, 552, 553, 554, 555), Undeliverable),
    }
    says_when = False

    def __init__(self, authority: trustme.CA) -> None:
        self.smtp = FakeSmtp(starttls=server_context(authority, "127.0.0.1"), users={"bot": "canary 9f/2c"})

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "smtp": "env:SMTP_URL",
            "from": "Assistance <bot@example.com>",
            "to": ["a@example.com", "b@example.com"],
        }

    @property
    def environ(self) -> dict[str, str]:
        return {"SMTP_URL": self.smtp.url}

    @property
    def secrets(self) -> list[str]:
        return [self.smtp.url, "canary 9f/2c", "canary%209f%2F2c"]

    @property
    def arrivals(self) -> list[fake_provider.Arrival]:
        return [_arrival(mail) for mail in self.smtp.messages]

    @property
    def reached(self) -> bool:
        return bool(self.smtp.sessions)

    def refuse(self, status: int, text: str = "") -> None:
        self.smtp.always(SmtpFault(stage="DATA", code=status, text=text or "no"))

    def limit(self, seconds: int) -> None:
        self.smtp.always(SmtpFault(stage="MAIL", code=451, text=f"4.7.1 wait {seconds} s"))

    def hang(self) -> None:
        self.smtp.always(SmtpFault(stage="CONNECT", hang=True))

    def garble(self) -> None:
        self.smtp.always(SmtpFault(stage="CONNECT", code=999, text="<html>It works!"))

    async def stop(self) -> None:
        await self.smtp.down()

    async def __aenter__(self) -> Self:
        await self.smtp.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.smtp.__aexit__(kind, error, trace)


def _arrival(mail: Mail) -> fake_provider.Arrival:
    message = mail.message
    plain, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    return fake_provider.Arrival(
        key=str(message["Message-ID"]),
        text=str(plain.get_content()).replace("\r\n", "\n"),
        markup=str(html.get_content()) if html else "",
        headers=frozenset(name.lower() for name in message.keys()),  # noqa: SIM118 - repeated headers are all there
    )
