"""What is stuck, and sending it again, over real sockets."""

import asyncio
from typing import Any

import pytest
from tests.fakes.service import Service
from tests.service.following import all_delivered, failed, owed, time_line

from assistance.desk import desk
from assistance.model import Delivery, State, rfc3339
from assistance.sandbox.slack import Fault

MANAGE = "manage-assistance"
NOBODYS = "0198e2a4-0000-7000-8000-000000000000"


async def call(service: Service, method: str, path: str, **options: Any) -> tuple[int, Any]:
    status, body, _ = await service.call(method, path, scope=MANAGE, sub="operator", **options)
    return status, body


@pytest.mark.main_flow
async def test_a_failed_request_is_listed_and_comes_back_with_one_retry(service: Service):
    """Both of its deliveries are stuck; a retry keeps the key, begins anew and takes the request to accepted."""
    seen = await failed(service, "pricing")
    status, body = await call(service, "GET", "/-/deliveries")
    assert (status, body["next_cursor"]) == (200, None)
    (stuck,) = body["data"]
    assert (stuck["id"], stuck["channel"], stuck["state"]) == (f"{seen['id']}.1", "pricing-mail", "failed")
    assert (stuck["last_error"], stuck["created_at"]) == ("rejected", seen["created_at"])
    await service.smtp.down()
    status, body = await call(service, "POST", f"/assistance/{seen['id']}/deliveries/1/retry")
    assert (status, body["n"], body["state"] in {"pending", "sending", "retrying"}) == (200, 1, True)
    assert len(body["tries"]) >= 2
    _, again, _ = await service.call("GET", f"/assistance/{seen['id']}")
    assert again["status"] == "accepted"
    await service.smtp.up()
    await service.when(seen["id"], "notified", within=20)
    assert service.smtp.messages[-1].message["Message-ID"] == f"<{seen['id']}.1@example.com>"
    retried = next(each for each in await time_line(service, seen["id"]) if each["type"] == "delivery_retried")
    assert (retried["actor"], retried["data"]) == ("api:operator", {"n": 1, "channel": "pricing-mail"})
    assert (await call(service, "GET", "/-/deliveries"))[1]["data"] == []


async def test_what_is_delivered_waits_or_is_over_is_not_retried(service: Service):
    """409 for a delivered one, for one whose time has not come and for a request that is over; 404 for none such."""
    asked = await service.ask()
    await service.when(asked["id"], "notified")
    path = f"/assistance/{asked['id']}"
    for n, status in ((1, 409), (2, 409), (3, 404)):
        assert (await call(service, "POST", f"{path}/deliveries/{n}/retry"))[0] == status
    for missing, said in (
        (f"{path}/deliveries/3/retry", "The request has no such delivery."),
        (f"/assistance/{NOBODYS}/deliveries/1/retry", "There is no such request."),
    ):
        assert (await call(service, "POST", missing))[1]["detail"] == said
    await service.call("POST", f"{path}/cancel")
    assert (await call(service, "POST", f"{path}/deliveries/2/retry"))[0] == 409
    for wrong, status in ((f"{path}/deliveries/0/retry", 422), ("/assistance/nonsense/deliveries/1/retry", 404)):
        assert (await call(service, "POST", wrong))[0] == status
    assert (await service.call("POST", f"{path}/deliveries/1/retry", scope="work-assistance"))[0] == 403


async def test_a_skipped_failover_is_sent_when_an_operator_says_so(service: Service):
    """Its condition does not hold, and it goes out all the same."""
    service.slack.always(Fault(error="invalid_blocks"))
    asked = await service.ask()
    await service.when(asked["id"], "notified")
    service.slack.always(None)
    status, _ = await call(service, "POST", f"/assistance/{asked['id']}/deliveries/1/retry")
    assert status == 200
    await all_delivered(service, asked["id"])
    assert [message.payload["metadata"]["event_payload"]["key"] for message in service.slack.messages] == [
        f"{asked['id']}.1"
    ]


async def test_a_retrying_one_is_made_due_now(service: Service):
    """While the provider is down the schedule waits longer and longer; a retry does not wait."""
    await service.smtp.down()
    asked = await service.ask("pricing")
    await owed(service, asked["id"], lambda found: found[0].attempts > 1 and _waits(service, found[0]))
    await service.smtp.up()
    assert (await call(service, "POST", f"/assistance/{asked['id']}/deliveries/1/retry"))[0] == 200
    await service.when(asked["id"], "notified")


def _waits(service: Service, delivery: Delivery) -> bool:
    """Whether it is not on its way, nor so soon that a busy machine may be late to ask."""
    return delivery.state is State.RETRYING and delivery.due_at > service.house.clock.now() + 1


async def test_a_parked_one_is_tried_at_once(service: Service):
    """A mended channel need not be waited for: the retry tries it."""
    service.slack.always(Fault(error="channel_not_found"))
    asked = await service.ask()
    await owed(service, asked["id"], lambda found: found[0].state is State.PARKED)
    status, body = await call(service, "GET", "/-/deliveries?state=parked&channel=sales-slack")
    assert [each["id"] for each in body["data"]] == [f"{asked['id']}.1"]
    service.slack.always(None)
    assert (await call(service, "POST", f"/assistance/{asked['id']}/deliveries/1/retry"))[0] == 200
    await owed(service, asked["id"], lambda found: found[0].state is State.DELIVERED)
    assert status == 200


async def test_a_replay_sends_what_its_selection_names_and_a_dry_run_only_says_so(service: Service):
    """By channel, by id, by delivery and by time; what was said in the dry run is what is sent."""
    first, second = await failed(service, "pricing"), await failed(service)
    mails = [f"{first['id']}.1", f"{second['id']}.2"]
    dry = {"dry_run": True, "count": 2, "ids": mails, "more": False}
    assert await call(service, "POST", "/-/replay", json={"channel": "pricing-mail", "dry_run": True}) == (200, dry)
    for selection, expected in (
        ({"ids": [first["id"]]}, mails[:1]),
        ({"ids": [f"{second['id']}.1", first["id"]]}, [mails[0], f"{second['id']}.1"]),
        ({"ids": [f"{second['id']}.1", first["id"]], "channel": "sales-slack"}, [f"{second['id']}.1"]),
        ({"since": second["created_at"]}, [f"{second['id']}.1", mails[1]]),
        ({"since": rfc3339(service.house.clock.now() + 1)}, []),
        ({"state": "failed"}, [mails[0], f"{second['id']}.1", mails[1]]),
        ({"state": "parked"}, []),
        ({"channel": "nope"}, []),
    ):
        status, body = await call(service, "POST", "/-/replay", json={**selection, "dry_run": True})
        assert (status, body["ids"]) == (200, expected), selection
    status, body = await call(service, "POST", "/-/replay", json={"channel": "pricing-mail", "state": "failed"})
    assert (status, body) == (200, {**dry, "dry_run": False})
    await asyncio.gather(*(service.when(each["id"], "notified") for each in (first, second)))
    assert len(service.slack.messages) == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"dry_run": True},
        {"ids": []},
        {"ids": ["nonsense"]},
        {"ids": ["0198e2a4-0000-7000-8000-000000000000.0"]},
        {"state": "delivered"},
        {"state": "nope"},
        {"since": "yesterday"},
        {"channel": "a\x00b"},
        {"channel": 7},
        [],
    ],
)
async def test_a_replay_of_everything_or_of_nonsense_is_refused(service: Service, body: Any):
    """One selector at least, and each of a form that can mean something: else 422."""
    assert (await call(service, "POST", "/-/replay", json=body))[0] == 422


async def test_the_list_of_what_is_stuck_comes_in_pages(service: Service):
    """Newest first, each once, with a Link to the next page; filters are kept; junk cursors are 422."""
    for _ in range(3):
        await failed(service, "pricing")
    found, path = [], "/-/deliveries?limit=2&channel=pricing-mail"
    status, body, answer = await service.call("GET", path, scope=MANAGE)
    found += body["data"]
    link = answer.headers["Link"].split(">")[0].removeprefix("<")
    status, body, _ = await service.call("GET", link, scope=MANAGE)
    found += body["data"]
    ids = [each["id"] for each in found]
    assert (status, len(ids), ids, body["next_cursor"]) == (200, 3, sorted(set(ids), reverse=True), None)
    for query in ("limit=0", "limit=201", "cursor=x", "state=nope", "since=x", "channel=%00"):
        assert (await call(service, "GET", f"/-/deliveries?{query}"))[0] == 422
    assert (await service.call("GET", "/-/deliveries", scope="read-assistance"))[0] == 403


async def test_a_conversation_is_not_opened_twice_by_a_retry(service: Service):
    """Where the conversation goes on in another request, 409 for the one, and a replay leaves it out."""
    seen = await failed(service, "pricing", conversation_id="c")
    await service.ask("pricing", conversation_id="c")
    assert (await call(service, "POST", f"/assistance/{seen['id']}/deliveries/1/retry"))[0] == 409
    for dry_run in (True, False):
        body_sent = {"ids": [seen["id"]], "dry_run": dry_run}
        status, body = await call(service, "POST", "/-/replay", json=body_sent)
        assert (status, body["count"], body["ids"], body["more"]) == (200, 0, [], False)


async def test_conversations_that_go_on_elsewhere_keep_no_replay_from_the_rest(
    service: Service, monkeypatch: pytest.MonkeyPatch
):
    """They are not sent again, so they do not count among the most of one call."""
    monkeypatch.setattr(desk, "MOST_REPLAYED", 2)
    for number in range(3):
        await failed(service, "pricing", conversation_id=f"c{number}")
        again = await service.ask("pricing", conversation_id=f"c{number}")
        await service.when(again["id"], "notified", within=20)
    last = await failed(service, "pricing")
    _, body = await call(service, "POST", "/-/replay", json={"state": "failed"})
    assert (body["ids"], body["more"]) == ([f"{last['id']}.1"], False)


@pytest.mark.parametrize("misspelt", [{"dryRun": True}, {"chanel": "pricing-mail"}], ids=str)
async def test_a_misspelt_field_sends_nothing(misspelt: dict[str, Any], service: Service):
    """422 that names it: left out, it would mean to send everything."""
    seen = await failed(service, "pricing")
    status, body = await call(service, "POST", "/-/replay", json={"state": "failed", **misspelt})
    assert (status, [each["pointer"] for each in body["errors"]]) == (422, [f"#/{name}" for name in misspelt])
    assert (await service.call("GET", f"/assistance/{seen['id']}"))[1]["status"] == "failed"


async def test_the_time_line_of_a_failure_runs_forwards(service: Service):
    """The request has failed when its last try has ended, however long that took."""
    seen = await failed(service, "sales", hang=0.3)
    times = [event["timestamp"] for event in await time_line(service, seen["id"])]
    assert times == sorted(times)
