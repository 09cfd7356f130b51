"""What every channel must do, run over every file in the folder against a real local server.

A new channel joins by existing; see `far_side.py` for what it may have to bring.
"""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import trustme
from tests.channels.far_side import FarSide, far_side_of
from tests.channels.page import add_ntfy
from tests.fakes.clock import until

from assistance.channels import Channel, channel_class, channel_types
from assistance.model import Kind, Link, Message, Reason, TryLater, Undeliverable, Verdict
from assistance.outgoing import Http, Timeouts

add_ntfy()
CHANNELS: dict[str, type[Channel]] = {name: channel_class(name) for name in channel_types()}
WIRED = [name for name, channel in CHANNELS.items() if channel.person]
"""`log` goes over no wire."""
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
async def far(name: str, authority: trustme.CA) -> AsyncIterator[FarSide]:
    async with far_side_of(name, CHANNELS[name])(authority) as found:
        yield found


@pytest.fixture
def channel(name: str, far: FarSide) -> Channel:
    return CHANNELS[name].model_validate(far.settings, context={"environ": far.environ})


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
async def test_a_message_is_delivered_with_all_that_it_says(channel: Channel, far: FarSide, http: Http) -> None:
    """Title, body, fields and links arrive once."""
    await channel.send(MESSAGE, http)
    (arrival,) = far.arrivals
    for part in ("[sales] Customer asks for a person", "Can somebody call me?", "Ana Pérez", "+34 600 000 000"):
        assert part in arrival.text
    assert "https://bot.example/c/1?a=b&c=d" in arrival.text


@every_wired_channel
async def test_a_limit_is_for_later_and_says_when(channel: Channel, far: FarSide, http: Http) -> None:
    """A provider that limits is heard: `after` is what it asks for."""
    far.limit(7)
    verdict = await verdict_on(channel, MESSAGE, http)
    assert isinstance(verdict, TryLater)
    assert verdict.after == (7.0 if far.tells_when else None)


@every_wired_channel
async def test_every_refusal_has_its_verdict(channel: Channel, far: FarSide, http: Http) -> None:
    """Each status that the far side can refuse with ends in the class of the table, with its code."""
    for status, kind in far.verdicts.items():
        far.refuse(status)
        verdict = await verdict_on(channel, MESSAGE, http)
        assert (type(verdict), verdict.code) == (kind, str(status))
    assert far.arrivals == []


@every_wired_channel
async def test_nobody_there_is_for_later(channel: Channel, far: FarSide, http: Http) -> None:
    """A refused connection is tried again."""
    await far.leave()
    verdict = await verdict_on(channel, MESSAGE, http)
    assert (type(verdict), verdict.reason) == (TryLater, Reason.CONNECTION)


@every_wired_channel
async def test_a_far_side_that_hangs_is_left_in_time(channel: Channel, far: FarSide) -> None:
    """The time-outs of the seam bound every channel, whatever it speaks."""
    far.hang()
    async with Http(timeouts=IMPATIENT) as http:
        began = time.monotonic()
        verdict = await verdict_on(channel, MESSAGE, http)
    assert (type(verdict), verdict.reason) == (TryLater, Reason.TIMEOUT)
    assert time.monotonic() - began < 5


@every_wired_channel
async def test_a_malformed_answer_is_for_later(channel: Channel, far: FarSide, http: Http) -> None:
    """Nonsense for an answer is never taken for a delivery, and never a bug."""
    far.garble()
    verdict = await verdict_on(channel, MESSAGE, http)
    assert (type(verdict), verdict.reason) == (TryLater, Reason.UNREADABLE_ANSWER)


@every_wired_channel
@pytest.mark.parametrize(
    "body", ["palabra " * 1_250, "😀" * 10_000, "<&>" * 3_333, "x" * 100_000, "\n" * 10_000 + "end"]
)
@pytest.mark.parametrize("short", [False, True])
async def test_an_over_long_text_arrives_with_its_start(
    *, body: str, short: bool, channel: Channel, far: FarSide, http: Http
) -> None:
    """Whatever the length, people get the title and as much of the text as fits, in the short form too."""
    await channel.send(replace(MESSAGE, body=body, short=short), http)
    (arrival,) = far.arrivals
    assert MESSAGE.title in arrival.text
    assert body[:1_000].strip() in arrival.text


@every_wired_channel
async def test_text_of_any_script_arrives_as_it_is(channel: Channel, far: FarSide, http: Http) -> None:
    """Right-to-left, joined and combined characters are neither lost nor changed."""
    body = "Ñandú 日本語 العربية עברית 👩\u200d👩\u200d👧\u200d👦 e\u0301 \U0001d54f \u202eabc\u202c ÿ ßẞ İı"
    await channel.send(replace(MESSAGE, body=body), http)
    assert body in far.arrivals[0].text


@every_wired_channel
@pytest.mark.parametrize("short", [False, True])
async def test_markup_arrives_as_text(*, short: bool, channel: Channel, far: FarSide, http: Http) -> None:
    """What a customer writes pings nobody, links nowhere and runs nothing."""
    body = "\n".join(MARKUP)
    fields = tuple((f"F{markup}", markup) for markup in MARKUP)
    links = (Link("</a><!here>|", "https://x.example/<!channel>|y\"'"), Link("run", "javascript:alert(1)"))
    await channel.send(replace(MESSAGE, body=body, fields=fields, links=links, short=short), http)
    (arrival,) = far.arrivals
    assert body in arrival.text
    assert not [markup for markup in [*MARKUP[:5], "<!here>", 'href="javascript'] if markup in arrival.markup]


@every_wired_channel
async def test_line_ends_in_any_field_stay_inside_it(channel: Channel, far: FarSide, http: Http) -> None:
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
    assert len(far.arrivals) == 7
    assert not [arrival for arrival in far.arrivals if "x-injected" in arrival.headers]


@every_wired_channel
async def test_no_error_shows_a_secret(channel: Channel, far: FarSide, http: Http) -> None:
    """A far side that repeats our credentials in its error is not quoted with them."""
    status = next(status for status, kind in far.verdicts.items() if kind is Undeliverable)
    far.refuse(status, telling=f"told {' '.join(far.secrets)} end")
    verdict = await verdict_on(channel, MESSAGE, http)
    told = "".join(traceback.format_exception(verdict)) + repr(vars(verdict)) + repr(channel)
    assert (verdict.answer or "").startswith("told")
    assert not [secret for secret in far.secrets if secret in told]


@every_channel
async def test_each_try_carries_the_same_key(channel: Channel, far: FarSide, http: Http) -> None:
    """A repeat can be told from another message."""
    await channel.send(MESSAGE, http)
    await channel.send(MESSAGE, http)
    await channel.send(replace(MESSAGE, key="01939c5e-0000-7000-8000-000000000000.2", title="Other"), http)
    first, second, other = (arrival.key for arrival in far.arrivals)
    assert first == second != other


@every_wired_channel
async def test_a_send_that_is_cancelled_ends_at_once(channel: Channel, far: FarSide, http: Http) -> None:
    """Shutting down in mid-send is no verdict and waits for nobody."""
    far.hang()
    sending = asyncio.create_task(channel.send(MESSAGE, http))
    await until(lambda: far.reached)
    began = time.monotonic()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await http.close()
    assert time.monotonic() - began < 2


@every_wired_channel
async def test_what_follows_goes_below_the_first(channel: Channel, far: FarSide, http: Http) -> None:
    """A channel that can reply does so with the reference of the message it sent."""
    reply_to = getattr(channel, "reply_to", None)
    reference = await channel.send(MESSAGE, http)
    assert reference
    if reply_to is not None:
        await reply_to(reference, replace(MESSAGE, body="One thing more."), http)
        assert "One thing more." in far.arrivals[1].text


@every_wired_channel
async def test_a_probe_tells_nobody(channel: Channel, far: FarSide, http: Http) -> None:
    """Trying the credentials leaves no message, and a far side that is gone is a verdict there too."""
    probe = getattr(channel, "probe", None)
    if probe is not None:
        await probe(http)
        await far.leave()
        with pytest.raises(TryLater):
            await probe(http)
    assert far.arrivals == []


@every_channel
def test_the_settings_explain_themselves(name: str) -> None:
    """Documentation and forms come from the class: it says what it is, and has a schema."""
    assert CHANNELS[name].__doc__
    assert CHANNELS[name].model_json_schema()["type"] == "object"
