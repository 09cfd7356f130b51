"""Mail through the operator's own submission server (RFC 6409)."""

import re
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address, HeaderRegistry, MessageIDHeader
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Annotated, Any, ClassVar

import aiosmtplib
import structlog
from jinja2 import Environment
from pydantic import AfterValidator, Field

from assistance.channels._channel import Channel
from assistance.channels.email.smtp import Server, run_session
from assistance.model import Message, Misconfigured, Reason, cut, one_line, readable
from assistance.outgoing import Http
from assistance.settings import MissingSecretError, Secret

log = structlog.get_logger(__name__)

_SUBJECT = 200
_SHORT = 3_000
_HEADERS = HeaderRegistry()
# Lost thread: by default the library folds a long id by encoding it.
_HEADERS.map_to_type("in-reply-to", MessageIDHeader)  # type: ignore[arg-type]
_HEADERS.map_to_type("references", MessageIDHeader)  # type: ignore[arg-type]
_POLICY = SMTP.clone(cte_type="7bit", header_factory=_HEADERS)

_HTML = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!doctype html>
<html><head><meta charset="utf-8"></head><body style="font-family: sans-serif">
<h2>{{ title }}</h2>
<p style="white-space: pre-wrap">{{ body }}</p>
<table>
{% for label, value in fields %}
<tr><th align="left">{{ label }}</th><td>{{ value }}</td></tr>
{% endfor %}
</table>
{% for link in links %}
<p><a href="{{ link.url }}" rel="noreferrer">{{ link.label or link.url }}</a></p>
{% endfor %}
</body></html>
""")


def _mailbox(text: str) -> str:
    """One address, with a name before it or without."""
    addresses = _addresses(text)
    if len(addresses) != 1 or not text.isprintable():
        raise ValueError("expected one mail address: name@example.com or Name <name@example.com>")
    if not re.fullmatch(r"[!-~]+@[!-~]+", addresses[0].addr_spec):
        raise ValueError("a mail address is plain ASCII; write the domain in its xn-- form")
    return text


def _submission(secret: Secret) -> Secret:
    """A secret that is set is parsed now: `check` finds the mistake, and not the first customer who waits."""
    if not secret.missing:
        Server.from_url(secret.reveal())
    return secret


Mailbox = Annotated[str, AfterValidator(_mailbox)]


class Email(Channel):
    """Sends one mail to all of `to`; delivered as soon as the server accepts it for one of them.

    A URL with `?tls=off` names no user and password: AUTH is never spoken in clear.
    """

    # Most submission servers limit connections, not mails. Microsoft 365 needs `pace: 30/m`, Amazon SES its own limit.
    concurrency: ClassVar[int] = 8

    smtp: Annotated[Secret, AfterValidator(_submission)] = Field(
        description="smtp://user:password@host:587 (STARTTLS required, but with ?tls=off on loopback), smtps://host:465."
    )
    sender: Mailbox = Field(
        alias="from", description="Who it comes from.", examples=["Assistance <assistance@example.com>"]
    )
    to: list[Mailbox] = Field(min_length=1, description="Who reads it.", examples=[["sales@example.com"]])

    async def send(self, message: Message, http: Http) -> str | None:
        """Mail it; the reference is its `Message-ID`."""
        return await self._mail(message, http)

    async def reply_to(self, thread: str, message: Message, http: Http) -> str | None:
        """Mail it as a reply to the mail `thread`: mail programs show both together."""
        return await self._mail(message, http, thread)

    async def probe(self, http: Http) -> None:
        """Connect, encrypt and log in; send nothing."""
        await run_session(self._server(), self._domain, http, lambda client: client.noop())

    async def _mail(self, message: Message, http: Http, thread: str | None = None) -> str:
        mail = self._composed(message, thread)
        recipients = [_address(mailbox) for mailbox in self.to]

        async def act(client: aiosmtplib.SMTP) -> dict[str, Any]:
            refused, _ = await client.sendmail(_address(self.sender), recipients, mail.as_bytes())
            return refused

        refused = await run_session(self._server(), self._domain, http, act)
        # Duplicate: another try would mail the others again, so a refused recipient is only logged.
        for number, recipient in enumerate(recipients, start=1):
            if refusal := refused.get(recipient):
                log.warning("recipient_refused", message=message.key, number=number, code=refusal.code)
        return str(mail["Message-ID"])

    def _composed(self, message: Message, thread: str | None) -> EmailMessage:
        """The mail: the same bytes on every try."""
        key = re.sub(r"[^A-Za-z0-9._-]", "_", message.key)
        mail = EmailMessage(_POLICY)
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.to)
        mail["Subject"] = cut(one_line(message.title), _SUBJECT)
        mail["Date"] = format_datetime(datetime.fromtimestamp(message.created_at, UTC))
        mail["Message-ID"] = f"<{key}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office note comes back
        if message.urgent:
            mail["Importance"] = "high"
        if thread is not None:
            mail["In-Reply-To"] = mail["References"] = one_line(thread)
        # With quoted-printable no line of the content can look like the boundary, which holds `=_` (RFC 2045, 6.7).
        text = readable(message.text)
        mail.set_content(cut(text, _SHORT) if message.short else text, cte="quoted-printable")
        if not message.short:
            mail.add_alternative(_html(message), subtype="html", cte="quoted-printable")
            mail.set_boundary(f"=_{key}")
        return mail

    @property
    def _domain(self) -> str:
        return _address(self.sender).rpartition("@")[2]

    def _server(self) -> Server:
        try:
            return Server.from_url(self.smtp.reveal())
        except (MissingSecretError, ValueError):
            raise Misconfigured(Reason.CREDENTIALS, code="smtp_not_usable") from None


def _addresses(text: str) -> tuple[Address, ...]:
    try:
        header: Any = SMTP.header_factory("To", text)
    except (IndexError, MessageError):  # raised for `a@`
        return ()
    return () if header.defects else tuple(header.addresses)


def _address(mailbox: str) -> str:
    return _addresses(mailbox)[0].addr_spec


def _html(message: Message) -> str:
    return _HTML.render(
        title=one_line(message.title),
        body=readable(message.body),
        fields=[(one_line(label), readable(value)) for label, value in message.fields],
        links=message.web_links,
    )
