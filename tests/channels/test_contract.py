"""What every channel must do, run over all channels against a real local server.

A new channel is found by its name; `fake_provider.py` says what it may have to bring.
"""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import trustme
from tests.channels.fake_provider import FakeProvider, provider_of
from tests.channels.page import add_channels_of_the_page
from tests.fakes.clock import until

from assistance.channels import CanProbe, CanReply, CanUpdate, Channel, channel_class, channel_types
from assistance.model import Kind, Link, Message, Reason, TryLater, Undeliverable, Verdict
from assistance.outgoing import Http, Timeouts

add_channels_of_the_page()
CHANNELS: dict[str, type[Channel]] = {name: channel_class(name) for name in channel_types()}
WIRED = [name for name, channel in CHANNELS.items() if channel.person]
"""`log` sends nothing over a network."""
MARKUP = ["<!channel>", "<@U1>", "<http://x|y>", "<b>bold</b>", "<script>alert(1)</script>", "*b* _i_ `c` &lt; &amp;"]
IMPATIENT = Timeouts(connect=0.3, whole=0.3)
MESSAGE = Message(
    key="01939c5e-0000-7000-8000-000000000000.1",
    kind=Kind.NOTICE,
    title="[sales] Customer asks for a person",
    body="I want to buy 300 chairs.\nCan somebody call me?",
    created_at=1_795_435_200.0,
    fields=(("Name", "Ana Pérez"), ("Phone", "+34 600 000 000")),
    links=(Link("Conversation", "https://bot.example/c/1?a=b&c=d"),),
)


@pytest.fixture
async def provider(name: str, authority: trustme.CA) -> AsyncIterator[FakeProvider]:
    async with provider_of(name, CHANNELS[name])(authority) as found:
        yield found


@pytest.fixture
def channel(name: str, provider: FakeProvider) -> Channel:
    return CHANNELS[name].model_validate(provider.settings, context={"environ": provider.environ})


@pytest.fixture
async def http(authority: trustme.CA) -> AsyncIterator[Http]:
    async with Http() as found:
        yield found


every_channel = pytest.mark.parametrize("name", CHANNELS)
every_wired_channel = pytest.mark.parametrize("name", WIRED)


async def verdict_on(channel: Channel, message: Message, http: Http) -> Verdict:
    with pytest.raises(Verdict) as caught:
        await channel.send(message, http)
    return caught.value


@every_wired_channel
async def test_a_message_arrives_whole(channel: Channel, provider: FakeProvider, http: Http) -> None:
    """Title, body, fields and links arrive once."""
    await channel.send(MESSAGE, http)
    (arrival,) = provider.arrivals
    for part in ("[sales] Customer asks for a person", "Can somebody call me?", "Ana Pérez", "+34 600 000 000"):
        assert part in arrival.text
    assert "https://bot.example/c/1?a=b&c=d" in arrival.text


@every_wired_channel
async def test_a_limit_is_for_later_and_says_when(channel: Channel, provider: FakeProvider, http: Http) -> None:
    """`after` is the time that the provider asks for."""
    provider.limit(7)
    verdict = await verdict_on(channel, MESSAGE, http)
    assert isinstance(verdict, TryLater)
    assert verdict.after == (7.0 if provider.says_when else None)


@every_wired_channel
async def test_every_refusal_has_its_verdict(channel: Channel, provider: FakeProvider, http: Http) -> None:
    """Each status that the provider can refuse with ends in the class that the table names, with its code."""
    for status, kind in provider.verdicts.items():
        provider.refuse(status)
        verdict = await verdict_on(channel, MESSAGE, http)
        assert (type(verdict), verdict.code) == (kind, str(status))
    assert provider.arrivals == []


@every_wired_channel
async def test_a_refused_connection_is_for_later(channel: Channel, provider: FakeProvider, http: Http) -> None:
    """A refused connection is tried again."""
    await provider.stop()
    verdict = await verdict_on(channel, MESSAGE, http)
    assert (type(verdict), verdict.reason) == (TryLater, Reason.CONNECTION)


@every_wired_channel
async def test_a_provider_that_hangs_is_left_in_time(channel: Channel, provider: FakeProvider) -> None:
    """The time-outs of `Http` bound every channel, whatever its protocol."""
    provider.hang()
    async with Http(timeouts=IMPATIENT) as http:
        began = time.monotonic()
        verdict = await verdict_on(channel, MESSAGE, http)
    assert (type(verdict), verdict.reason) == (TryLater, Reason.TIMEOUT)
    assert time.monotonic() - began < 5


@every_wired_channel
async def test_a_malformed_answer_is_for_later(channel: Channel, provider: FakeProvider, http: Http) -> None:
    """An answer that cannot be read is no delivery and no bug."""
    provider.garble()
    verdict = await verdict_on(channel, MESSAGE, http)
    assert (type(verdict), verdict.reason) == (TryLater, Reason.UNREADABLE_ANSWER)


@every_wired_channel
@pytest.mark.parametrize(
    "body", ["palabra " * 1_250, "😀" * 10_000, "<&>" * 3_333, "x" * 100_000, "\n" * 10_000 + "end"]
)
@pytest.mark.parametrize("short", [False, True])
async def test_an_over_long_text_arrives_with_its_start(
    *, body: str, short: bool, channel: Channel, provider: FakeProvider, http: Http
) -> None:
    """Whatever the length, people get the title and as much of the text as fits, in the short form too."""
    await channel.send(replace(MESSAGE, body=body, short=short), http)
    (arrival,) = provider.arrivals
    assert MESSAGE.title in arrival.text
    assert body[:1_000].strip() in arrival.text


@every_wired_channel
async def test_text_of_any_script_arrives_as_it_is(channel: Channel, provider: FakeProvider, http: Http) -> None:
    """Right-to-left, joined and combined characters are neither lost nor changed."""
    body = "Ñandú 日本語 العربية עברית 👩\u200d👩\u200d👧\u200d👦 e\u0301 \U0001d54f \u202eabc\u202c ÿ ßẞ İı"
    await channel.send(replace(MESSAGE, body=body), http)
    assert body in provider.arrivals[0].text


@every_wired_channel
@pytest.mark.parametrize("short", [False, True])
async def test_markup_arrives_as_text(*, short: bool, channel: Channel, provider: FakeProvider, http: Http) -> None:
    """What a customer writes notifies nobody, links nowhere and runs nothing."""
    body = "\n".join(MARKUP)
    fields = tuple((f"F{markup}", markup) for markup in MARKUP)
    links = (Link("</a><!here>|", "https://x.example/<!channel>|y\"'"), Link("run", "javascript:alert(1)"))
    await channel.send(replace(MESSAGE, body=body, fields=fields, links=links, short=short), http)
    (arrival,) = provider.arrivals
    assert body in arrival.text
    assert not [markup for markup in [*MARKUP[:5], "<!here>", 'href="javascript'] if markup in arrival.markup]


@every_wired_channel
async def test_line_ends_in_any_field_stay_inside_it(channel: Channel, provider: FakeProvider, http: Http) -> None:
    """CRLF injects no header, and neither it nor NUL stops the message."""
    for end in ("\r\n", "\n", "\r", "\x00", "\u2028", "\x0b", "\x1b[2J"):
        evil = f"a{end}X-Injected: yes{end}{end}b"
        message = Message(
            key=MESSAGE.key + evil,
            kind=Kind.NOTICE,
            title=evil,
            body=evil,
            created_at=MESSAGE.created_at,
            fields=((evil, evil),),
            links=(Link(evil, f"https://x.example/{evil}"),),
        )
        await channel.send(message, http)
    assert len(provider.arrivals) == 7
    assert not [arrival for arrival in provider.arrivals if "x-injected" in arrival.headers]


@every_wired_channel
async def test_no_error_shows_a_secret(channel: Channel, provider: FakeProvider, http: Http) -> None:
    """A provider repeats our credentials in its error; they are in no text of the verdict."""
    status = next(status for status, kind in provider.verdicts.items() if kind is Undeliverable)
    provider.refuse(status, text=f"refused {' '.join(provider.secrets)} end")
    verdict = await verdict_on(channel, MESSAGE, http)
    shown = "".join(traceback.format_exception(verdict)) + repr(vars(verdict)) + repr(channel)
    assert (verdict.answer or "").startswith("refused")
    assert not [secret for secret in provider.secrets if secret in shown]


@every_channel
async def test_each_try_carries_the_same_key(channel: Channel, provider: FakeProvider, http: Http) -> None:
    """Two tries have one key, another message has another."""
    await channel.send(MESSAGE, http)
    await channel.send(MESSAGE, http)
    await channel.send(replace(MESSAGE, key="01939c5e-0000-7000-8000-000000000000.2", title="Other"), http)
    first, second, other = (arrival.key for arrival in provider.arrivals)
    assert first == second != other


@every_wired_channel
async def test_a_send_that_is_cancelled_ends_at_once(channel: Channel, provider: FakeProvider) -> None:
    """A shutdown in the middle of a send is no verdict, and the send ends."""
    provider.hang()
    async with Http() as http:
        sending = asyncio.create_task(channel.send(MESSAGE, http))
        await until(lambda: provider.reached)
        began = time.monotonic()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert time.monotonic() - began < 2


@every_wired_channel
async def test_what_follows_goes_below_the_first(channel: Channel, provider: FakeProvider, http: Http) -> None:
    """A channel that can reply does so with the reference of the message it sent."""
    reference = await channel.send(MESSAGE, http)
    assert reference
    if isinstance(channel, CanReply):
        await channel.reply_to(reference, replace(MESSAGE, body="One thing more."), http)
        assert "One thing more." in provider.arrivals[1].text


@every_wired_channel
async def test_what_has_changed_is_written_over_the_first(channel: Channel, provider: FakeProvider, http: Http) -> None:
    """A channel that can update does so with the reference of the message it sent."""
    reference = await channel.send(MESSAGE, http)
    if isinstance(channel, CanUpdate):
        await channel.update(reference or "", replace(MESSAGE, title="Ana has it, 14:02"), http)
        assert "Ana has it, 14:02" in provider.arrivals[-1].text


@every_wired_channel
async def test_a_probe_leaves_no_message(channel: Channel, provider: FakeProvider, http: Http) -> None:
    """Trying the credentials sends no message; where the provider cannot be reached, that is a verdict too."""
    if isinstance(channel, CanProbe):
        await channel.probe(http)
        await provider.stop()
        with pytest.raises(TryLater):
            await channel.probe(http)
    assert provider.arrivals == []


@every_channel
def test_the_settings_explain_themselves(name: str) -> None:
    """Documentation and forms come from the class: it says what it is, and has a schema."""
    assert CHANNELS[name].__doc__
    assert CHANNELS[name].model_json_schema()["type"] == "object"
