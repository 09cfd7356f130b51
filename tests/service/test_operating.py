"""What operators ask a running service: configuration, plans, channels, deliveries; and what bots see of topics."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.service import ROUTING, Service, running
from tests.service.following import all_delivered, failed

from assistance.sandbox.slack import Fault

MANAGE = "manage-assistance"
OPEN = [("GET", path) for path in ("/-/config", "/-/channels", "/-/deliveries")]
ORDERS = [("POST", path) for path in ("/-/reload", "/-/explain", "/-/replay", "/-/channels/sales-slack/test")]


async def manage(service: Service, method: str, path: str, **options: Any) -> tuple[int, Any]:
    status, body, _ = await service.call(method, path, scope=MANAGE, **options)
    return status, body


@pytest.mark.parametrize(("method", "path"), OPEN + ORDERS)
async def test_only_managers_operate(service: Service, method: str, path: str):
    """403 that names the scope for everybody else."""
    status, problem, _ = await service.call(
        method, path, json={}, scope="request-assistance read-assistance work-assistance ping"
    )
    assert (status, problem["scope"]) == (403, MANAGE)


async def test_the_configuration_shows_no_secret(service: Service):
    """Channels and topics are there, secrets only as the references that stand in the file."""
    status, body = await manage(service, "GET", "/-/config")
    shown = json.dumps(body)
    assert (status, body["channels"]["sales-slack"]["token"]) == (200, "env:SLACK_TOKEN")
    assert "xoxb-test" not in shown
    assert service.smtp.url not in shown
    assert list(body["topics"]) == ["sales", "pricing"]


async def test_a_good_file_takes_the_place_of_another_and_a_bad_one_never(service: Service):
    """Reload answers what is in force now; a refusal is 409 with every problem and leaves all as it was."""
    text = service.routing_file.read_text(encoding="utf-8")
    service.routing_file.write_text(text + "  support: {steps: [{notify: [pricing-mail]}]}\n", encoding="utf-8")
    assert await manage(service, "POST", "/-/reload") == (
        200,
        {"topics": ["pricing", "sales", "support"], "warnings": []},
    )
    await service.ask("support")
    service.routing_file.write_text(text.replace("[sales-slack]", "[nowhere]") + "  : :\n", encoding="utf-8")
    status, problem = await manage(service, "POST", "/-/reload")
    assert (status, problem["type"], len(problem["problems"]) > 0) == (409, "/problems/routing-file-refused", True)
    await service.ask("support")


async def test_a_plan_is_explained_and_nothing_is_sent(service: Service):
    """The steps and channels of such a request; unknown topics are 400, nonsense 422."""
    asked = {"topic": "Sales", "at": "2026-11-23T10:00+01:00", "priority": None}
    status, body = await manage(service, "POST", "/-/explain", json=asked)
    assert (status, body["priority"], "sales-slack" in json.dumps(body)) == (200, "normal", True)
    status, problem = await manage(service, "POST", "/-/explain", json={"topic": "nope"})
    assert (status, problem["allowed_topics"]) == (400, ["pricing", "sales"])
    for body in ({}, {"topic": "sales", "at": "soon"}, {"topic": "sales", "priority": "x"}, []):
        assert (await manage(service, "POST", "/-/explain", json=body))[0] == 422
    assert service.slack.calls == []


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "2026-11-23T10:00", "soon"])
async def test_an_instant_out_of_reach_is_told_which_years_are(service: Service, at: str):
    """The sentence says what is wrong with an instant that is well written, as the command line does."""
    status, problem = await manage(service, "POST", "/-/explain", json={"topic": "sales", "at": at})
    assert status == 422
    (error,) = problem["errors"]
    assert (error["pointer"], error["detail"]) == (
        "#/at",
        "must be a date and a time with its offset, from 1970 to 2199: 2026-11-23T10:00+01:00",
    )


async def test_the_health_of_channels_follows_what_their_messages_meet(service: Service):
    """Both are well; one whose token is wrong is parked, and says why."""
    _, body = await manage(service, "GET", "/-/channels")
    assert {each["channel"]: each["health"] for each in body["data"]} == {"sales-slack": "ok", "pricing-mail": "ok"}
    service.slack.always(Fault(error="invalid_auth"))
    asked = await service.ask()
    await service.when(asked["id"], "notified")
    _, body = await manage(service, "GET", "/-/channels")
    slack = next(each for each in body["data"] if each["channel"] == "sales-slack")
    assert (slack["health"], slack["reason"]) == ("parked", "credentials: invalid_auth")


async def test_a_test_message_says_what_became_of_it(service: Service):
    """Delivered, marked as a test; or why not; 404 for no such channel."""
    status, body = await manage(service, "POST", "/-/channels/sales-slack/test")
    assert (status, body["channel"], body["outcome"]) == (200, "sales-slack", "delivered")
    assert "[test]" in service.slack.messages[-1].text
    service.slack.always(Fault(error="channel_not_found"))
    status, body = await manage(service, "POST", "/-/channels/sales-slack/test")
    assert (status, body["outcome"], body["code"]) == (200, "parked", "channel_not_found")
    assert (await manage(service, "POST", "/-/channels/nope/test"))[0] == 404


async def test_every_delivery_is_told_with_its_tries(service: Service):
    """All kinds, every try with its outcome, reason and the provider's code; 404 for what is not there."""
    seen = await failed(service)
    status, body = await manage(service, "GET", f"/assistance/{seen['id']}/deliveries")
    slack, mail = body["data"]
    assert (status, slack["n"], slack["kind"], slack["state"]) == (200, 1, "notice", "failed")
    assert [(each["outcome"], each["reason"], each["code"]) for each in slack["tries"]] == [
        ("retry", "rejected", "invalid_blocks"),
        ("failed", "rejected", "invalid_blocks"),
    ]
    assert (mail["channel"], mail["tries"][-1]["code"]) == ("pricing-mail", "550")
    assert "xoxb-test" not in json.dumps(body)
    asked = await service.ask()
    await service.when(asked["id"], "notified")
    await service.call("POST", f"/assistance/{asked['id']}/claim")
    await all_delivered(service, asked["id"])
    _, body = await manage(service, "GET", f"/assistance/{asked['id']}/deliveries")
    assert [each["kind"] for each in body["data"]] == ["notice", "notice", "update"]
    for id_ in ("0198e2a4-0000-7000-8000-000000000000", "nonsense"):
        assert (await manage(service, "GET", f"/assistance/{id_}/deliveries"))[0] == 404


async def test_topics_are_those_of_the_token_with_their_hours(tmp_path: Path):
    """Title, description, whether it is open now and when it opens next; a narrow token sees its own."""
    closed = "  support:\n    title: Support\n    hours: Sat 03:00-03:01 UTC\n    steps: [{{notify: [pricing-mail]}}]\n"
    async with running(tmp_path, ROUTING + closed) as service:
        status, body, _ = await service.call("GET", "/topics", scope="request-assistance")
        topics = {each["topic"]: each for each in body["data"]}
        assert (status, sorted(topics)) == (200, ["pricing", "sales", "support"])
        assert (topics["sales"]["title"], topics["sales"]["open_now"], topics["sales"]["next_open_at"]) == (
            "Sales",
            True,
            None,
        )
        if not topics["support"]["open_now"]:
            assert topics["support"]["next_open_at"].endswith("T03:00:00.000Z")
            assert topics["support"]["expected_response"] == topics["support"]["next_open_at"]
        _, body, _ = await service.call("GET", "/topics", scope="request-assistance:support ping")
        assert [each["topic"] for each in body["data"]] == ["support"]
        _, body, _ = await service.call("GET", "/topics", scope="ping")
        assert body["data"] == []
