"""Updates of a request go to the channels that have its notice, in order."""

import asyncio

from tests.dispatch.provider import Scripted, Threaded
from tests.dispatch.stage import Stage

from assistance.model import Kind, Reason, Transition, TryLater, Undeliverable
from assistance.routing import Step


async def conversation(stage: Stage, kind: type[Scripted] = Threaded) -> str:
    """A request with a conversation, sent to a channel of that kind."""
    stage.add_channel("slack", kind)
    await stage.reload()
    return await stage.sent(conversation_id="c1", description="first")


async def say(stage: Stage, *texts: str) -> None:
    for text in texts:
        await stage.ask(conversation_id="c1", description=text)
    await stage.quiet()


async def test_a_follow_up_goes_into_the_thread_of_its_notice(stage: Stage):
    """Where the channel has threads, what the customer adds stands below."""
    request_id = await conversation(stage)
    await say(stage, "second")
    ((thread, message),) = stage.providers["slack"].replies
    assert (thread, message.body, message.kind) == (f"ref:{request_id}.1", "second", Kind.UPDATE)


async def test_a_follow_up_is_a_message_of_its_own_where_there_are_no_threads(stage: Stage):
    """It says then which request it belongs to."""
    request_id = await conversation(stage, Scripted)
    await say(stage, "second")
    message = stage.providers["slack"].delivered[1]
    assert (message.body, dict(message.fields)["Request"]) == ("second", request_id)


async def test_news_arrives_in_order(stage: Stage):
    """What was said later never overtakes what was said before, not even when that must be tried again."""
    await conversation(stage)
    stage.providers["slack"].script.append(lambda: TryLater(Reason.TIMEOUT))
    await say(stage, "second", "third", "fourth")
    await stage.go_on(10)
    assert [message.body for message in stage.providers["slack"].delivered] == ["first", "second", "third", "fourth"]


async def test_news_waits_for_a_notice_that_is_being_sent(stage: Stage):
    """Said while the notice is on its way, it follows when that has arrived."""
    hang = asyncio.Event()
    stage.providers["slack"].script.append(hang)
    await conversation(stage)
    await say(stage, "second")
    await stage.go_on(3)
    assert not stage.providers["slack"].delivered
    hang.set()
    await stage.go_on(2)
    assert [message.body for message in stage.providers["slack"].delivered] == ["first", "second"]


async def test_a_notice_that_goes_out_later_says_it_all(stage: Stage):
    """People notified after the follow-up get everything in one message, and nothing twice."""
    stage.providers["slack"].script.append(lambda: TryLater(Reason.TIMEOUT, 5))
    await conversation(stage)
    await say(stage, "second")
    await stage.go_on(10)
    assert [message.body for message in stage.providers["slack"].delivered] == ["first\n\nsecond"]


async def test_each_notice_of_a_channel_has_its_own_thread(stage: Stage):
    """Notified twice on one channel, people find the update below the message that they have read."""
    stage.route(Step(("slack",)), Step(("slack",), 10))
    request_id = await conversation(stage)
    await stage.go_on(12)
    await say(stage, "second")
    await stage.go_on(3)
    assert [thread for thread, _ in stage.providers["slack"].replies] == [f"ref:{request_id}.1", f"ref:{request_id}.2"]


async def test_a_thread_that_is_gone_costs_no_update(stage: Stage):
    """The notice was removed by a person: the update is sent by itself."""
    await conversation(stage)
    stage.providers["slack"].script.append(lambda: Undeliverable(Reason.REJECTED, code="message_not_found"))
    await say(stage, "second")
    assert not stage.providers["slack"].replies
    assert stage.providers["slack"].delivered[1].body == "second"


async def test_every_channel_that_has_the_notice_gets_the_update(stage: Stage):
    """A claim goes to each channel that has the notice, and to no other."""
    stage.route(Step(("slack", "mail")))
    stage.providers["mail"].always = lambda: TryLater(Reason.CONNECTION)
    request_id = await stage.sent()
    await stage.move(request_id, Transition.CLAIM)
    await stage.go_on(1)
    assert [message.title for message in stage.providers["slack"].delivered][1:] == ["Sales: taken by Ana"]
    assert {message.kind for _, message in stage.providers["mail"].tried} == {Kind.NOTICE}
