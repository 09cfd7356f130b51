"""`DELETE /assistance/{id}/content`: what the customer wrote is gone, here and where it can be taken back."""

import json
from typing import Any

import pytest
from tests.fakes.clock import until
from tests.fakes.service import Service
from tests.service.following import all_delivered, time_line

MANAGE = "manage-assistance"
SECRET = "canary-4711"


async def erase(service: Service, request_id: str, **options: Any) -> int:
    status, _, _ = await service.call("DELETE", f"/assistance/{request_id}/content", **{"scope": MANAGE, **options})
    return status


async def with_words(service: Service) -> str:
    """A request whose messages have every kind of text in them."""
    asked = await service.ask(
        description=f"{SECRET} description",
        customer={"name": f"{SECRET} name", "email": f"{SECRET}@example.com"},
        links=[{"label": "page", "url": f"https://example.com/{SECRET}"}],
        metadata={"note": SECRET},
        headers={"Idempotency-Key": "erased"},
    )
    id_ = str(asked["id"])
    await service.when(id_, "notified")
    for path in ("messages", "reply"):
        status, _, _ = await service.call("POST", f"/assistance/{id_}/{path}", json={"text": f"{SECRET} {path}"})
        assert status == 200
    await all_delivered(service, id_)
    return id_


@pytest.mark.main_flow
async def test_what_was_written_is_gone_from_the_store_and_from_slack(service: Service):
    """No table holds it any more, and every message in Slack is rewritten; that there was a request stays."""
    id_ = await with_words(service)
    assert any(SECRET in json.dumps(message.payload) for message in service.slack.messages)
    assert await erase(service, id_) == 204
    await until(lambda: all(message.edited_at for message in service.slack.messages))
    assert len(service.slack.messages) == 3
    shown = json.dumps([message.payload for message in service.slack.messages])
    assert SECRET not in shown
    assert shown.count("(The text was erased.)") >= 3
    for path in (f"/assistance/{id_}", f"/assistance/{id_}/events", f"/assistance/{id_}/deliveries"):
        status, body, _ = await service.call("GET", path)
        assert (status, SECRET in json.dumps(body)) == (200, False)
    erased = (await time_line(service, id_))[-1]
    assert (erased["type"], erased["actor"], erased["data"]) == ("erased", "api:bot-1", {})
    seen = await service.house.store.get(id_)
    assert seen is not None
    assert SECRET not in repr([getattr(seen[0], name) for name in seen[0].__slots__])


async def test_a_replay_of_the_bots_call_gives_the_request_without_the_words(service: Service):
    """The key still counts, so nothing is asked anew, and the answer kept for it has lost what was erased."""
    id_ = await with_words(service)
    assert await erase(service, id_) == 204
    status, body, answer = await service.call(
        "POST",
        "/assistance",
        json={
            "topic": "sales",
            "description": f"{SECRET} description",
            "customer": {"name": f"{SECRET} name", "email": f"{SECRET}@example.com"},
            "links": [{"label": "page", "url": f"https://example.com/{SECRET}"}],
            "metadata": {"note": SECRET},
        },
        headers={"Idempotency-Key": "erased"},
    )
    assert (status, body["id"], body["metadata"]) == (201, id_, {})
    assert answer.headers["Idempotency-Replayed"] == "true"


async def test_to_erase_twice_is_to_erase_once(service: Service):
    """The second time nothing happens; what is said later is erased when asked again."""
    id_ = await with_words(service)
    for _ in range(2):
        assert await erase(service, id_) == 204
    await all_delivered(service, id_)
    events = await time_line(service, id_)
    assert [each["type"] for each in events].count("erased") == 1
    await service.call("POST", f"/assistance/{id_}/messages", json={"text": SECRET})
    await all_delivered(service, id_)
    assert SECRET in service.slack.messages[-1].text
    assert await erase(service, id_) == 204
    await until(lambda: SECRET not in service.slack.messages[-1].text)
    assert len(service.slack.messages) == 4


async def test_what_is_claimed_after_the_erasure_is_told_without_the_words(service: Service):
    """The notice is rewritten once more, from what is left."""
    id_ = await with_words(service)
    assert await erase(service, id_) == 204
    await service.call("POST", f"/assistance/{id_}/claim")
    notice = service.slack.messages[0]
    await until(lambda: "Taken by bot-1" in notice.text)
    assert SECRET not in json.dumps(notice.payload)
    assert "(The text was erased.)" in notice.text


async def test_no_mail_is_sent_about_an_erasure(service: Service):
    """A mailbox cannot be made to forget; another mail would only repeat that there was something."""
    asked = await service.ask("pricing", f"{SECRET} price")
    await service.when(asked["id"], "notified")
    assert await erase(service, asked["id"]) == 204
    await all_delivered(service, asked["id"])
    assert len(service.smtp.messages) == 1


async def test_only_managers_erase_and_only_what_exists(service: Service):
    """403 without `manage-assistance`, 404 for what is not there."""
    asked = await service.ask()
    assert await erase(service, asked["id"], scope="request-assistance work-assistance") == 403
    for id_ in ("0198e2a4-0000-7000-8000-000000000000", "nonsense"):
        assert await erase(service, id_) == 404
