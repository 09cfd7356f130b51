"""What the routing file may say of mail, and what is refused when it is read."""

import pytest
from pydantic import ValidationError

from assistance.channels.email import Email
from assistance.channels.email.smtp import Server


def email_at(url: str, *to: str, sender: str = "Assistance <bot@example.com>") -> Email:
    settings = {"smtp": "env:SMTP", "from": sender, "to": list(to) or ["sales@example.com"]}
    return Email.model_validate(settings, context={"environ": {"SMTP": url}})


@pytest.mark.parametrize(
    "url",
    [
        *("", "smtp.example.com", "http://x", "smtp://", "smtp://:587", "smtp://host:x", "smtp://host:99999"),
        *(
            "smtp://host?tls=off",
            "smtp://10.0.0.1?tls=off",
            "smtps://host?verify=no",
            "smtp://u:p#q@host",
            "smtp://h/x",
        ),
        *("smtp://u:p@[::1", "smtp://host:0"),
    ],
)
def test_a_url_that_is_not_safe_or_not_one_is_refused_when_the_file_is_read(url: str) -> None:
    """`check` finds it, and the message never shows the URL."""
    with pytest.raises(ValidationError) as caught:
        email_at(url + ("&" if "?" in url else "?") + "canary")
    assert "canary" not in str(caught.value)
    if url:
        with pytest.raises(ValidationError):
            email_at(url)


@pytest.mark.parametrize("who", ["bot:canary", "canary", ":canary"])
def test_credentials_that_would_never_be_used_are_refused(who: str) -> None:
    """Without TLS nobody logs in, so a URL with both is a mistake; the message says so without showing them."""
    with pytest.raises(ValidationError, match="tls=off goes with no user and password") as caught:
        email_at(f"smtp://{who}@127.0.0.1?tls=off")
    assert "canary" not in str(caught.value)


def test_a_url_is_read_as_it_is_meant() -> None:
    """Ports by scheme, TLS unless it is switched off on loopback, name and password decoded and never shown."""
    server = Server.from_url("smtp://bot%40example.com:p%2Fw@mail.example.com")
    assert (server.host, server.port, server.tls) == ("mail.example.com", 587, "starttls")
    assert (server.user, server.password) == ("bot@example.com", "p/w")
    assert "p/w" not in repr(server)
    assert Server.from_url("smtps://mail.example.com").port == 465
    assert Server.from_url("smtp://localhost:1025/?tls=off").tls == "off"


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            "x",
            "a@",
            "@b",
            "a b@example.com",
            "a@example.com, b@example.com",
            "a@example.com\r\nBcc: c@example.com",
        ),
        *("ñ@example.com", "a@exämple.com", "A <a@example.com", "a@example.com b", "<>", "A <a@b> <c@d>"),
    ],
)
def test_what_is_no_single_address_is_refused(address: str) -> None:
    """The routing file names one mailbox at a time, in ASCII."""
    with pytest.raises(ValidationError):
        email_at("smtp://127.0.0.1?tls=off", address)
    with pytest.raises(ValidationError):
        email_at("smtp://127.0.0.1?tls=off", sender=address)
