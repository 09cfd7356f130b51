"""The desk over real sockets: who takes a request, gives it back, closes it, answers or passes it on."""

import asyncio
import re
from typing import Any

import pytest
from tests.fakes.clock import until
from tests.fakes.service import Service
from tests.service.following import all_delivered, failed, owed, time_line

from assistance.model import State
from assistance.sandbox.slack import Fault

WORK = "work-assistance"


async def notified(service: Service, topic: str = "sales", **body: Any) -> str:
    asked = await service.ask(topic, **body)
    await service.when(asked["id"], "notified")
    return str(asked["id"])


async def do(service: Service, request_id: str, what: str, sub: str = "desk", **options: Any) -> tuple[int, Any]:
    status, body, _ = await service.call("POST", f"/assistance/{request_id}/{what}", scope=WORK, sub=sub, **options)
    return status, body


@pytest.mark.main_flow
async def test_a_claim_names_who_has_it_and_the_notice_says_so(service: Service):
    """The request is claimed by `api:desk`, the metric counts it, and Slack's own message is rewritten in place."""
    id_ = await notified(service, customer={"name": "Ana"})
    status, body = await do(service, id_, "claim")
    assert (status, body["status"], body["claimed_by"]["actor"]) == (200, "claimed", "api:desk")
    notice = service.slack.messages[0]
    await until(lambda: notice.edited_at)
    assert re.search(r"Taken by desk, \d\d:\d\d UTC · Sales: Ana asks", notice.text)
    assert "Help, please" in notice.text
    assert notice.payload["metadata"]["event_payload"]["key"] == f"{id_}.1"
    assert len(service.slack.messages) == 1
    async with service.session.get(f"{service.url}/metrics") as answer:
        assert 'assistance_claimed_seconds_count{topic="sales"} 1.0' in await answer.text()


@pytest.mark.main_flow
async def test_of_twenty_who_claim_at_once_one_has_it(service: Service):
    """One 200, nineteen 409 that all name the winner."""
    id_ = await notified(service)
    answers = await asyncio.gather(*(do(service, id_, "claim", f"p{number}") for number in range(20)))
    assert sorted(status for status, _ in answers) == [200, *[409] * 19]
    winner = next(body["claimed_by"] for status, body in answers if status == 200)
    assert all(body["claimed_by"] == winner for _, body in answers)
    assert all(body["type"] == "/problems/conflict" for status, body in answers if status == 409)


@pytest.mark.main_flow
async def test_a_released_request_is_what_it_was_before(service: Service):
    """Any agent may release it: notified when a person was notified before, and the update is posted aloud."""
    id_ = await notified(service)
    await do(service, id_, "claim")
    status, body = await do(service, id_, "release", "other")
    assert (status, body["status"], body["claimed_by"]) == (200, "notified", None)
    await all_delivered(service, id_)
    notice, reply = service.slack.messages
    assert notice.text.startswith("Given back by other")
    assert (reply.thread_ts, "given back by other" in reply.text) == (notice.ts, True)
    assert (await do(service, id_, "release"))[0] == 409
    assert (await do(service, id_, "claim", "other"))[0] == 200


async def test_a_request_nobody_was_told_of_is_released_to_accepted(service: Service):
    """A claim does not make up a notification."""
    await service.slack.down()
    asked = await service.ask()
    await do(service, asked["id"], "claim")
    status, body = await do(service, asked["id"], "release")
    assert (status, body["status"], body["notified"]) == (200, "accepted", False)


@pytest.mark.parametrize("before", [[], ["claim"]])
@pytest.mark.main_flow
async def test_an_open_request_is_resolved_and_over(service: Service, before: list[str]):
    """From any open status; then nothing moves it any more, and what waited is skipped."""
    id_ = await notified(service)
    for what in before:
        assert (await do(service, id_, what))[0] == 200
    status, body = await do(service, id_, "resolve")
    assert (status, body["status"]) == (200, "resolved")
    assert [each["state"] for each in body["deliveries"]] == ["delivered", "skipped"]
    for what in ("claim", "release", "resolve"):
        assert (await do(service, id_, what))[0] == 409
    for path in ("messages", "reply"):
        assert (await service.call("POST", f"/assistance/{id_}/{path}", json={"text": "x"}))[0] == 409
    await all_delivered(service, id_)
    assert service.slack.messages[0].text.startswith("Resolved by desk")


async def test_a_reply_reaches_the_bot_and_the_colleagues(service: Service):
    """The bot finds the text in the events; colleagues read it in the thread; the status stays."""
    id_ = await notified(service)
    status, body = await do(service, id_, "reply", json={"text": "We call you at <b>3</b>"})
    assert (status, body["status"]) == (200, "notified")
    replied = (await time_line(service, id_))[-1]
    assert (replied["type"], replied["actor"], replied["data"]) == (
        "replied",
        "api:desk",
        {"text": "We call you at <b>3</b>"},
    )
    await all_delivered(service, id_)
    notice, said = service.slack.messages
    assert said.thread_ts == notice.ts
    assert "desk replied to the customer" in said.text
    assert "We call you at &lt;b&gt;3&lt;/b&gt;" in said.text


async def test_a_rerouted_request_starts_anew_with_the_people_of_the_other_topic(service: Service):
    """Same id and clock; the old plan's rest is skipped, the new plan appended, sent and counted by itself."""
    id_ = await notified(service)
    _, before, _ = await service.call("GET", f"/assistance/{id_}")
    await do(service, id_, "claim")
    status, body = await do(service, id_, "reroute", json={"topic": "Pricing"})
    assert (status, body["topic"], body["claimed_by"], body["created_at"]) == (
        200,
        "pricing",
        None,
        before["created_at"],
    )
    assert (body["status"], body["notified"]) == ("accepted", False)
    assert [(each["n"], each["channel"], each["state"]) for each in body["deliveries"][:2]] == [
        (1, "sales-slack", "delivered"),
        (2, "pricing-mail", "skipped"),
    ]
    (fresh,) = body["deliveries"][2:]
    assert (fresh["channel"], fresh["n"] > 2) == ("pricing-mail", True)
    seen = await service.when(id_, "notified")
    assert seen["deliveries"][-1]["state"] == "delivered"
    (mail,) = service.smtp.messages
    assert mail.message["Message-ID"] == f"<{id_}.{fresh['n']}@example.com>"
    await all_delivered(service, id_)
    assert service.slack.messages[0].text.startswith("Moved to pricing by desk")
    event = next(each for each in await time_line(service, id_) if each["type"] == "rerouted")
    assert event["data"] == {"from": "sales", "to": "pricing"}


async def test_a_bot_of_one_topic_keeps_what_it_asked_when_it_is_rerouted(service: Service):
    """The bot sees it, follows it, lists it, adds to it and calls it off wherever it is; others stay hidden."""
    narrow: Any = {"scope": "request-assistance:sales"}
    asked, pricing = await service.ask(**narrow), await service.ask("pricing")
    path = f"/assistance/{asked['id']}"
    looking = asyncio.create_task(service.call("GET", path, headers={"Prefer": "wait=20"}, **narrow))
    assert (await do(service, asked["id"], "reroute", json={"topic": "pricing"}))[0] == 200
    assert (await looking)[0] == 200
    status, seen, _ = await service.call("GET", path, **narrow)
    assert (status, seen["topic"]) == (200, "pricing")
    status, events, _ = await service.call("GET", f"{path}/events", **narrow)
    assert (status, "rerouted" in [each["type"] for each in events["data"]]) == (200, True)
    _, page, _ = await service.call("GET", "/assistance", **narrow)
    assert [each["id"] for each in page["data"]] == [asked["id"]]
    assert (await service.call("POST", f"{path}/messages", json={"text": "Still there?"}, **narrow))[0] == 200
    for hidden in (f"/assistance/{pricing['id']}", f"/assistance/{pricing['id']}/events"):
        assert (await service.call("GET", hidden, **narrow))[0] == 404
    for of in ({"sub": "bot-2", **narrow}, {"scope": "request-assistance:returns"}):
        assert (await service.call("GET", path, **of))[0] == 404
        assert (await service.call("POST", f"{path}/cancel", **of))[0] == 404
        assert (await service.call("GET", "/assistance", **of))[1]["data"] == []
    assert (await service.call("POST", f"{path}/cancel", **narrow))[0] == 200


async def test_the_failover_of_the_new_topic_does_not_rely_on_the_old_one(service: Service):
    """Back at sales while Slack is down for good, mail is tried at once although the old mail had arrived."""
    id_ = await notified(service, "pricing")
    service.slack.always(Fault(error="invalid_blocks"))
    status, _ = await do(service, id_, "reroute", json={"topic": "sales"})
    assert status == 200
    seen = await service.when(id_, "notified")
    assert [(each["channel"], each["state"]) for each in seen["deliveries"][1:]] == [
        ("sales-slack", "failed"),
        ("pricing-mail", "delivered"),
    ]


async def test_a_failed_request_is_rerouted_to_people_who_can_be_reached(service: Service):
    """What no channel of one topic could take goes to another."""
    seen = await failed(service)
    status, body = await do(service, seen["id"], "reroute", json={"topic": "pricing"})
    assert (status, body["status"]) == (200, "accepted")
    await service.when(seen["id"], "notified")


async def test_a_reroute_to_nowhere_or_to_here_is_refused(service: Service):
    """An unknown topic is 400 with those there are; the topic it is on, and one its conversation has, 409."""
    id_ = await notified(service, conversation_id="c")
    status, body = await do(service, id_, "reroute", json={"topic": "nope"})
    assert (status, body["detail"], body["allowed_topics"]) == (400, "Invalid topic", ["pricing", "sales"])
    assert (await do(service, id_, "reroute", json={"topic": "sales"}))[0] == 409
    await service.ask("pricing", conversation_id="c")
    assert (await do(service, id_, "reroute", json={"topic": "pricing"}))[0] == 409


async def test_who_means_another_version_is_refused(service: Service):
    """`If-Match` is compared in the same transaction: of two with the same ETag one changes it, the other gets 412.

    A weak tag knows no version: RFC 9110, section 13.1.1.
    """
    id_ = await notified(service)
    _, _, answer = await service.call("GET", f"/assistance/{id_}")
    headers = {"If-Match": answer.headers["ETag"]}
    answers = await asyncio.gather(
        *(do(service, id_, "reply", f"p{n}", json={"text": "x"}, headers=headers) for n in range(5))
    )
    assert sorted(status for status, _ in answers) == [200, 412, 412, 412, 412]
    await all_delivered(service, id_)
    _, _, answer = await service.call("GET", f"/assistance/{id_}")
    tag = answer.headers["ETag"]
    for given, expected in (('"other"', 412), (f"W/{tag}", 412), (f'"other", {tag}', 200)):
        _, _, answer = await service.call("POST", f"/assistance/{id_}/claim", headers={"If-Match": given})
        assert answer.status == expected, given
    _, _, seen = await service.call("GET", f"/assistance/{id_}")
    assert seen.headers["ETag"] == answer.headers["ETag"]


@pytest.mark.parametrize(
    ("what", "body"),
    [("claim", None), ("release", None), ("resolve", None), ("reply", {"text": "x"}), ("reroute", {"topic": "sales"})],
)
async def test_the_desk_needs_its_scope_and_an_existing_request(service: Service, what: str, body: Any):
    """403 without `work-assistance`, 404 for what is not there or is no id at all, 401 without a token."""
    asked = await service.ask()
    path = f"/assistance/{asked['id']}/{what}"
    status, problem, _ = await service.call("POST", path, json=body, scope="request-assistance manage-assistance")
    assert (status, problem["scope"]) == (403, WORK)
    for id_ in ("0198e2a4-0000-7000-8000-000000000000", "nonsense"):
        assert (await do(service, id_, what, json=body))[0] == 404
    async with service.session.post(service.url + path, json=body) as answer:
        assert answer.status == 401


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": " \n"}, {"text": 7}, {"text": "x" * 10_001}, []])
async def test_empty_and_endless_words_are_refused(service: Service, body: Any):
    """Replies and follow-ups are held to what descriptions are."""
    id_ = await notified(service)
    for path in ("reply", "messages"):
        assert (await service.call("POST", f"/assistance/{id_}/{path}", json=body))[0] == 422


@pytest.mark.main_flow
async def test_what_the_customer_adds_reaches_the_same_thread(service: Service):
    """200 with the request; only the client that asked may add; the text is read where the notice is."""
    id_ = await notified(service)
    options: Any = {"json": {"text": "it is urgent now"}, "scope": "request-assistance"}
    status, body, answer = await service.call("POST", f"/assistance/{id_}/messages", **options)
    assert (status, body["id"], "ETag" in answer.headers) == (200, id_, True)
    assert (await service.call("POST", f"/assistance/{id_}/messages", sub="bot-2", **options))[0] == 404
    await all_delivered(service, id_)
    notice, added = service.slack.messages
    assert (added.thread_ts, "it is urgent now" in added.text) == (notice.ts, True)
    assert (await time_line(service, id_))[-1]["type"] == "followed_up"


async def test_a_notice_of_the_old_topic_that_arrives_late_tells_nobody_of_the_new_one(service: Service):
    """It was on its way when the request was rerouted: the request stays accepted until the new people have it."""
    service.slack.script(Fault(hang=1.5))
    asked = await service.ask()
    await owed(service, asked["id"], lambda deliveries: deliveries[0].state is State.SENDING)
    await service.smtp.down()
    assert (await do(service, asked["id"], "reroute", json={"topic": "pricing"}))[0] == 200
    found = await owed(service, asked["id"], lambda deliveries: deliveries[0].state is State.DELIVERED)
    assert found[0].person is False
    _, seen, _ = await service.call("GET", f"/assistance/{asked['id']}")
    assert (seen["status"], seen["notified"]) == ("accepted", False)
