"""Mail's own ways: encryption, recipients, replies with a code, and headers."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs
from tests.fakes.clock import until
from tests.fakes.tls import server_context

from assistance.channels.email import Email
from assistance.model import Kind, Link, Message, Misconfigured, Reason, TryLater, Undeliverable, Verdict
from assistance.outgoing import Http, Timeouts
from assistance.sandbox.smtp import FakeSmtp, SmtpFault

MESSAGE = Message(
    key="01939c5e-0000-7000-8000-000000000000.1",
    kind=Kind.NOTICE,
    title="[sales] Customer asks for a person",
    body="Hello",
    created_at=1_795_435_200.0,
)


def email_at(url: str, *to: str, sender: str = "Assistance <bot@example.com>") -> Email:
    settings = {"smtp": "env:SMTP", "from": sender, "to": list(to) or ["sales@example.com"]}
    return Email.model_validate(settings, context={"environ": {"SMTP": url}})


@pytest.fixture
async def fake() -> AsyncIterator[FakeSmtp]:
    async with FakeSmtp() as found:
        yield found


@pytest.fixture
async def http(authority: trustme.CA) -> AsyncIterator[Http]:
    async with Http() as found:
        yield found


async def test_the_mail_has_the_headers_that_a_machine_owes(fake: FakeSmtp, http: Http) -> None:
    """Subject, date, id and the mark against out-of-office notes; the envelope names the recipients."""
    reference = await email_at(fake.url, "a@example.com", "Bea <b@example.com>").send(MESSAGE, http)
    (mail,) = fake.messages
    headers = dict(mail.message.items())
    assert headers["Subject"] == "[sales] Customer asks for a person"
    assert headers["Message-ID"] == reference == "<01939c5e-0000-7000-8000-000000000000.1@example.com>"
    assert headers["Date"] == "Mon, 23 Nov 2026 12:00:00 +0000"
    assert (headers["Auto-Submitted"], headers["From"]) == ("auto-generated", "Assistance <bot@example.com>")
    assert (mail.sender, mail.recipients) == ("bot@example.com", ("a@example.com", "b@example.com"))


async def test_every_try_is_the_same_to_the_byte(fake: FakeSmtp, http: Http) -> None:
    """When nobody knows whether a mail arrived, the same bytes are sent again."""
    channel = email_at(fake.url)
    fake.script(SmtpFault(stage="DOT", drop=True, after_accept=True))
    with pytest.raises(TryLater) as caught:
        await channel.send(MESSAGE, http)
    await channel.send(MESSAGE, http)
    first, second = fake.messages
    assert (caught.value.reason, first.raw) == (Reason.CONNECTION, second.raw)


async def test_the_customer_is_quoted_in_the_body_alone(fake: FakeSmtp, http: Http) -> None:
    """Text and HTML hold the words, the HTML escaped; no header does."""
    body = "<img src=x onerror=alert(1)> canary\r\n.\r\nRCPT TO:<evil@example.com>\r\n--=_" + MESSAGE.key
    links = (Link("<b>", "https://x.example/?a='\"&b"), Link("run", "javascript:alert(1)"))
    await email_at(fake.url).send(replace(MESSAGE, body=body, fields=(("<i>", "<u>"),), links=links), http)
    (mail,) = fake.messages
    text, html = (mail.message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert body in text.get_content()
    page = html.get_content()
    assert "&lt;img src=x onerror=alert(1)&gt; canary" in page
    assert not [markup for markup in ("<img", "<i>", "<u>", "<b>", "javascript:") if markup in page]
    assert not [value for value in mail.message.values() if "canary" in value]
    assert mail.recipients == ("sales@example.com",)


async def test_a_title_of_any_length_and_script_is_one_readable_subject(fake: FakeSmtp, http: Http) -> None:
    """Controls are gone, the rest survives the wire; 200 characters at most."""
    title = "Ñandú 日本 😀\r\nBcc: evil@example.com\x00 " + "x" * 500
    await email_at(fake.url).send(replace(MESSAGE, title=title), http)
    (mail,) = fake.messages
    assert mail.message["Subject"].startswith("Ñandú 日本 😀 Bcc: evil@example.com xxx")
    assert (len(mail.message["Subject"]), mail.message["Bcc"]) == (200, None)
    assert max(map(len, mail.raw.splitlines())) <= 998


async def test_an_answer_finds_its_thread(fake: FakeSmtp, http: Http) -> None:
    """In-Reply-To and References name the first mail, unfolded and unencoded however long its id."""
    channel = email_at(fake.url, sender=f"bot@{'long.' * 20}example.com")
    reference = await channel.send(MESSAGE, http)
    await channel.reply_to(reference or "", replace(MESSAGE, key="k.2"), http)
    raw = fake.messages[1].raw.decode()
    assert f"In-Reply-To: {reference}\r\n" in raw
    assert f"References: {reference}\r\n" in raw


async def test_one_recipient_who_takes_it_is_enough(fake: FakeSmtp, http: Http) -> None:
    """An address that is refused does not make the others get the mail twice."""
    fake.always(SmtpFault(stage="RCPT", code=550, to="gone@example.com"))
    with capture_logs() as logs:
        assert await email_at(fake.url, "gone@example.com", "a@example.com").send(MESSAGE, http)
    assert fake.messages[0].recipients == ("a@example.com",)
    assert [(line["event"], line["number"], line["code"]) for line in logs] == [("recipient_refused", 1, 550)]
    assert "gone@example.com" not in str(logs)


async def test_when_all_are_refused_one_for_later_decides(fake: FakeSmtp, http: Http) -> None:
    """One recipient with a full mailbox is enough to try again; unknown recipients alone are not."""
    channel = email_at(fake.url, "gone@example.com", "full@example.com")
    fake.script(
        SmtpFault(stage="RCPT", code=550, to="gone@example.com"),
        SmtpFault(stage="RCPT", code=452, to="full@example.com"),
    )
    with pytest.raises(TryLater):
        await channel.send(MESSAGE, http)
    fake.always(SmtpFault(stage="RCPT", code=550))
    with pytest.raises(Undeliverable):
        await channel.send(MESSAGE, http)


@pytest.mark.parametrize(
    ("stage", "code", "kind", "reason"),
    [
        ("CONNECT", 421, TryLater, Reason.SERVER_ERROR),
        ("CONNECT", 554, Misconfigured, Reason.DESTINATION),
        ("EHLO", 421, TryLater, Reason.SERVER_ERROR),
        ("EHLO", 550, Misconfigured, Reason.DESTINATION),
        ("MAIL", 451, TryLater, Reason.SERVER_ERROR),
        ("MAIL", 530, Misconfigured, Reason.CREDENTIALS),
        ("MAIL", 552, Undeliverable, Reason.TOO_LONG),
        ("MAIL", 553, Misconfigured, Reason.CREDENTIALS),
        ("RCPT", 450, TryLater, Reason.SERVER_ERROR),
        ("RCPT", 552, TryLater, Reason.SERVER_ERROR),
        ("RCPT", 550, Undeliverable, Reason.REJECTED),
        ("DATA", 451, TryLater, Reason.SERVER_ERROR),
        ("DATA", 554, Undeliverable, Reason.REJECTED),
        ("DOT", 421, TryLater, Reason.SERVER_ERROR),
        ("DOT", 451, TryLater, Reason.SERVER_ERROR),
        ("DOT", 552, Undeliverable, Reason.TOO_LONG),
        ("DOT", 554, Undeliverable, Reason.REJECTED),
    ],
)
async def test_a_code_means_what_its_stage_makes_of_it(
    *, stage: str, code: int, kind: type[Verdict], reason: Reason, fake: FakeSmtp, http: Http
) -> None:
    """The same code is about the server, the channel or the message, by the command it answers."""
    fake.always(SmtpFault(stage=stage, code=code))  # type: ignore[arg-type]
    with pytest.raises(Verdict) as caught:
        await email_at(fake.url).send(MESSAGE, http)
    assert (type(caught.value), caught.value.reason, caught.value.code) == (kind, reason, str(code))
    assert fake.messages == []


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"])
@pytest.mark.parametrize("drop", [True, False])
async def test_silence_and_a_lost_connection_are_for_later_at_every_stage(
    *, stage: str, drop: bool, fake: FakeSmtp, authority: trustme.CA
) -> None:
    """At every stage the time is bounded, and the mail is tried later."""
    fake.always(SmtpFault(stage=stage, drop=drop, hang=None if drop else True))  # type: ignore[arg-type]
    async with Http(timeouts=Timeouts(connect=0.3, whole=0.3)) as http:
        with pytest.raises(TryLater) as caught:
            await email_at(fake.url).send(MESSAGE, http)
    assert caught.value.reason == (Reason.CONNECTION if drop else Reason.TIMEOUT)


async def test_encrypted_from_the_first_byte_or_by_starttls_the_mail_goes(authority: trustme.CA, http: Http) -> None:
    """Both forms of the URL work, with a password that needs percent-encoding."""
    context = server_context(authority, "127.0.0.1")
    users = {"bot@example.com": "p@ss/wörd"}
    async with (
        FakeSmtp(starttls=context, users=users) as upgraded,
        FakeSmtp(implicit_tls=context, users=users) as direct,
    ):
        for fake in (upgraded, direct):
            channel = email_at(fake.url)
            await channel.probe(http)
            await channel.send(MESSAGE, http)
            assert len(fake.messages) == 1


async def test_a_server_that_hides_starttls_gets_no_password(http: Http) -> None:
    """An attacker in the middle who removes the offer gets no password (RFC 3207, section 6)."""
    async with FakeSmtp(users={"bot": "secret"}) as fake:
        with pytest.raises(Misconfigured) as caught:
            await email_at(fake.url.removesuffix("?tls=off")).send(MESSAGE, http)
    assert (caught.value.reason, caught.value.code, fake.messages) == (Reason.TLS, "no_starttls", [])


async def test_nobody_logs_in_in_clear(http: Http) -> None:
    """Without TLS, which only loopback may do, a server that wants AUTH is a matter for the operator."""
    async with FakeSmtp(users={"bot": "secret"}) as fake:
        with pytest.raises(Misconfigured) as caught:
            await email_at(fake.url.replace("bot:secret@", "")).send(MESSAGE, http)
    assert (caught.value.reason, caught.value.code) == (Reason.CREDENTIALS, "530")


async def test_a_wrong_password_parks(authority: trustme.CA, http: Http) -> None:
    """535 is the operator's to mend."""
    async with FakeSmtp(starttls=server_context(authority, "127.0.0.1"), users={"bot": "secret"}) as fake:
        with pytest.raises(Misconfigured) as caught:
            await email_at(fake.url.replace("secret", "other")).probe(http)
    assert (caught.value.reason, caught.value.code) == (Reason.CREDENTIALS, "535")


async def test_a_password_for_a_server_that_takes_none_parks(authority: trustme.CA, http: Http) -> None:
    """No AUTH offered means another server than the operator thinks."""
    async with FakeSmtp(starttls=server_context(authority, "127.0.0.1")) as fake:
        with pytest.raises(Misconfigured) as caught:
            await email_at(fake.url.replace("//", "//bot:secret@")).send(MESSAGE, http)
    assert caught.value.code == "auth_not_offered"


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("flaw", ["unknown authority", "other name", "expired"])
async def test_a_certificate_that_does_not_hold_is_for_later(
    *, implicit: bool, flaw: str, authority: trustme.CA, http: Http
) -> None:
    """Certificates are verified in both forms; nothing is sent to a server that cannot prove its name."""
    issuer = trustme.CA() if flaw == "unknown authority" else authority
    context = server_context(issuer, "elsewhere.example" if flaw == "other name" else "127.0.0.1", flaw == "expired")
    async with FakeSmtp(**{"implicit_tls" if implicit else "starttls": context}) as fake:  # type: ignore[arg-type]
        with pytest.raises(TryLater) as caught:
            await email_at(fake.url).send(MESSAGE, http)
        await until(lambda: not fake.sessions)
    assert (caught.value.reason, fake.messages) == (Reason.TLS, [])


async def test_a_secret_that_has_gone_since_parks(http: Http, tmp_path: Path) -> None:
    """Without the secret there is no server to connect to: for the operator, and no bug."""
    settings = {"smtp": f"file:{tmp_path}/none", "from": "bot@example.com", "to": ["a@example.com"]}
    with pytest.raises(Misconfigured) as caught:
        await Email.model_validate(settings).send(MESSAGE, http)
    assert caught.value.reason == Reason.CREDENTIALS
