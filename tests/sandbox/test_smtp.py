"""The fake mail server, spoken to by a real SMTP client."""

import ssl
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import aiosmtplib
import pytest
import trustme

from assistance.sandbox.smtp import FakeSmtp, SmtpFault, Stage

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.fixture
async def smtp() -> AsyncIterator[FakeSmtp]:
    async with FakeSmtp() as fake:
        yield fake


@pytest.fixture(scope="module")
def tls() -> Contexts:
    """A server's context and the context of a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


def mail() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Assistance <assistance@example.com>"
    message["To"] = "pricing@example.com"
    message["Subject"] = "Prices"
    message.set_content("Hello José 😀\n")
    return message


async def send(smtp: FakeSmtp, *recipients: str, **how: Any) -> Any:
    where: dict[str, Any] = {"hostname": "127.0.0.1", "port": smtp.port, "start_tls": False, "timeout": 5}
    return await aiosmtplib.send(
        mail(), sender="a@example.com", recipients=list(recipients or ["pricing@example.com"]), **{**where, **how}
    )


async def test_a_mail_is_kept_with_its_envelope(smtp: FakeSmtp) -> None:
    """Sender, recipients, headers and text are what was sent."""
    await send(smtp, "a@example.com", "b@example.com")
    [taken] = smtp.messages
    assert (taken.sender, taken.recipients) == ("a@example.com", ("a@example.com", "b@example.com"))
    assert taken.message["subject"] == "Prices"
    assert taken.message.get_content().replace("\r\n", "\n") == "Hello José 😀\n"
    assert smtp.url == f"smtp://127.0.0.1:{smtp.port}?tls=off"


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"])
async def test_every_stage_can_refuse_once(smtp: FakeSmtp, stage: Stage) -> None:
    """The code arrives from the stage it is scripted for, nothing is taken, and the next mail is well."""
    # Two for EHLO, since a client falls back to HELO.
    smtp.script(*[SmtpFault(stage=stage, code=554, text="no")] * (2 if stage == "EHLO" else 1))
    with pytest.raises(aiosmtplib.SMTPException) as refusal:
        await send(smtp)
    assert "554" in str(refusal.value)
    assert smtp.messages == []
    await send(smtp)
    assert len(smtp.messages) == 1


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"])
async def test_every_stage_can_drop_and_hang(smtp: FakeSmtp, stage: Stage) -> None:
    """A drop ends the connection, a hang ends by the client's own time-out, and neither takes the mail."""
    smtp.script(SmtpFault(stage=stage, drop=True), SmtpFault(stage=stage, hang=True))
    with pytest.raises((aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPConnectError)):
        await send(smtp)
    with pytest.raises((aiosmtplib.SMTPTimeoutError, aiosmtplib.SMTPServerDisconnected)):
        await send(smtp, timeout=0.2)
    assert smtp.messages == []
    await send(smtp)
    assert len(smtp.messages) == 1


async def test_a_connection_lost_after_the_final_dot_may_have_taken_the_mail(smtp: FakeSmtp) -> None:
    """With `after_accept` the mail is kept although the client never hears so."""
    smtp.script(SmtpFault(stage="DOT", drop=True, after_accept=True))
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await send(smtp)
    assert len(smtp.messages) == 1


async def test_421_closes_the_connection(smtp: FakeSmtp) -> None:
    """After 421 the server is gone for that client."""
    smtp.script(SmtpFault(stage="MAIL", code=421, text="shutting down"))
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=smtp.port, start_tls=False, timeout=5)
    await client.connect()
    with pytest.raises(aiosmtplib.SMTPException):
        await client.sendmail("a@example.com", ["b@example.com"], b"Subject: x\r\n\r\nx\r\n")
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await client.noop()
    client.close()


async def test_one_recipient_of_many_can_be_refused(smtp: FakeSmtp) -> None:
    """The others get the mail, and the client hears who does not."""
    smtp.always(SmtpFault(stage="RCPT", code=550, text="no such mailbox", to="gone@example.com"))
    refused, _ = await send(smtp, "pricing@example.com", "gone@example.com")
    assert refused["gone@example.com"].code == 550
    assert smtp.messages[0].recipients == ("pricing@example.com",)


async def test_a_short_hang_only_delays(smtp: FakeSmtp) -> None:
    """After the wait the mail is taken as usual."""
    smtp.script(SmtpFault(stage="DOT", hang=0.01))
    await send(smtp)
    assert len(smtp.messages) == 1


async def test_starttls_encrypts_and_asks_for_the_login(tls: Contexts) -> None:
    """With STARTTLS and users, a mail is taken after both; the address carries the login."""
    server, client = tls
    async with FakeSmtp(starttls=server, users={"bot": "s:e@cret"}) as smtp:
        parts = urlsplit(smtp.url)
        assert (parts.scheme, parts.username, parts.password, parts.query) == ("smtp", "bot", "s%3Ae%40cret", "")
        await send(smtp, start_tls=True, tls_context=client, username="bot", password="s:e@cret")
        assert len(smtp.messages) == 1


async def test_tls_from_the_first_byte(tls: Contexts) -> None:
    """With implicit TLS the client speaks TLS at once and logs in inside it."""
    server, client = tls
    async with FakeSmtp(implicit_tls=server, users={"bot": "secret"}) as smtp:
        assert smtp.url == f"smtps://bot:secret@127.0.0.1:{smtp.port}"
        login = {"username": "bot", "password": "secret"}
        await send(smtp, start_tls=None, use_tls=True, tls_context=client, **login)
        assert len(smtp.messages) == 1


@pytest.mark.parametrize(("login", "code"), [({}, 530), ({"username": "bot", "password": "wrong"}, 535)])
async def test_users_must_log_in(login: dict[str, str], code: int) -> None:
    """No login is 530, a wrong one 535."""
    async with FakeSmtp(users={"bot": "secret"}) as smtp:
        with pytest.raises(aiosmtplib.SMTPResponseException) as refusal:
            await send(smtp, **login)
        assert refusal.value.code == code
        assert smtp.messages == []


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_both_ways_to_log_in_work(mechanism: str) -> None:
    """AUTH PLAIN and AUTH LOGIN let the right password in."""
    async with FakeSmtp(users={"bot": "secret"}) as smtp:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=smtp.port, start_tls=False, timeout=5)
        async with client:
            await client.ehlo()
            login = client.auth_plain if mechanism == "PLAIN" else client.auth_login
            assert (await login("bot", "secret")).code == 235


async def test_without_users_no_login_is_offered(tls: Contexts) -> None:
    """A server without users offers no AUTH, as mail catchers do, in clear and inside TLS."""
    server, context = tls
    async with (
        FakeSmtp(starttls=server) as smtp,
        aiosmtplib.SMTP(hostname="127.0.0.1", port=smtp.port, start_tls=False, timeout=5) as client,
    ):
        await client.ehlo()
        assert not client.supports_extension("auth")
        await client.starttls(tls_context=context)
        await client.ehlo()
        assert not client.supports_extension("auth")


async def test_down_refuses_connections_and_up_takes_the_same_port(smtp: FakeSmtp) -> None:
    """While it is down nobody connects and who is there is cut off; afterwards the address is the old one."""
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=smtp.port, start_tls=False, timeout=5)
    await client.connect()
    await smtp.down()
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await client.noop()
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await send(smtp)
    await smtp.up()
    await send(smtp)
    assert len(await smtp.arrived(1)) == 1


async def test_memory_is_bounded() -> None:
    """Only the last mails are kept."""
    async with FakeSmtp(keep=1) as smtp:
        await send(smtp, "first@example.com")
        await send(smtp, "second@example.com")
        assert [taken.recipients for taken in smtp.messages] == [("second@example.com",)]
