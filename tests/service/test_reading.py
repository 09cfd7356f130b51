"""What became of a request, over real sockets: one, many, called off; and who may see it."""

import asyncio
from typing import Any

import pytest
from tests.fakes.service import Service

MINE = "request-assistance"
NOBODYS = "0198e2a4-0000-7000-8000-000000000000"


async def test_a_client_sees_its_own_requests_and_no_others(service: Service):
    """404 for another's, as for what is not there; readers, workers and managers see all."""
    asked = await service.ask(scope=MINE)
    path = f"/assistance/{asked['id']}"
    for tail in ("", "/events"):
        assert (await service.call("GET", path + tail, scope=MINE))[0] == 200
        status, problem, _ = await service.call("GET", path + tail, scope=MINE, sub="bot-2")
        assert status == 404
        _, none, _ = await service.call("GET", f"/assistance/{NOBODYS}{tail}", scope=MINE)
        assert (problem["title"], problem["detail"]) == (none["title"], none["detail"])
        for scope in ("read-assistance", "work-assistance", "manage-assistance"):
            assert (await service.call("GET", path + tail, scope=scope, sub="person"))[0] == 200
    assert (await service.call("POST", f"{path}/cancel", scope=MINE, sub="bot-2"))[0] == 404
    status, problem, answer = await service.call("GET", path, scope="ping")
    assert (status, problem["scope"], 'scope="read-assistance"' in answer.headers["WWW-Authenticate"]) == (
        403,
        "read-assistance",
        True,
    )


async def test_a_token_for_one_topic_is_for_that_topic_only(service: Service):
    """`request-assistance:sales` asks for sales, and sees, lists and cancels that, not the same client's pricing."""
    sales, pricing = await service.ask("sales"), await service.ask("pricing")
    narrow: Any = {"scope": "request-assistance:sales"}
    assert (await service.call("GET", f"/assistance/{sales['id']}", **narrow))[0] == 200
    assert (await service.call("GET", f"/assistance/{pricing['id']}", **narrow))[0] == 404
    assert (await service.call("POST", f"/assistance/{pricing['id']}/cancel", **narrow))[0] == 404
    _, page, _ = await service.call("GET", "/assistance", **narrow)
    assert [each["id"] for each in page["data"]] == [sales["id"]]
    status, _, _ = await service.call("POST", "/assistance", json={"topic": "pricing", "description": "x"}, **narrow)
    assert status == 403


async def test_an_answer_that_has_not_changed_is_not_sent_again(service: Service):
    """`If-None-Match` with the ETag, weak or among others: 304 without a body; with another one the whole."""
    asked = await service.ask("pricing")
    await service.when(asked["id"], "notified")
    path = f"/assistance/{asked['id']}"
    _, _, answer = await service.call("GET", path)
    tag = answer.headers["ETag"]
    for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        status, body, answer = await service.call("GET", path, headers={"If-None-Match": given})
        assert (status, body, answer.headers["ETag"]) == (304, None, tag)
    assert (await service.call("GET", path, headers={"If-None-Match": '"x"'}))[0] == 200


@pytest.mark.main_flow
async def test_a_patient_look_is_answered_when_there_is_news(service: Service):
    """`Prefer: wait=20` holds until the request changes, not until the time is over."""
    asked = await service.ask("pricing")
    await service.when(asked["id"], "notified")
    path = f"/assistance/{asked['id']}"
    looking = asyncio.create_task(service.call("GET", path, headers={"Prefer": "wait=20"}))
    assert not (await asyncio.wait({looking}, timeout=0.3))[0]
    assert (await service.call("POST", f"{path}/cancel"))[0] == 200
    async with asyncio.timeout(5):
        status, body, answer = await looking
    assert (status, body["status"], answer.headers["Preference-Applied"]) == (200, "cancelled", "wait=20")
    _, _, answer = await service.call("GET", path, headers={"Prefer": "wait=0"})
    assert "Preference-Applied" not in answer.headers


@pytest.mark.main_flow
async def test_the_list_comes_in_pages_newest_first(service: Service):
    """Each request once over all pages, though new ones come in meanwhile; `Link` leads on and keeps the filters."""
    asked = [(await service.ask("pricing", metadata={"n": n}))["id"] for n in range(5)]
    await service.ask("sales")
    seen: list[str] = []
    path = "/assistance?topic=Pricing&limit=2"
    while path:
        status, page, answer = await service.call("GET", path)
        assert (status, len(page["data"]) <= 2) == (200, True)
        seen += [each["id"] for each in page["data"]]
        await service.ask("pricing")
        link = answer.headers.get("Link", "")
        assert bool(link) is (page["next_cursor"] is not None)
        path = link.split(">")[0].removeprefix("<")
        assert 'rel="next"' in link or not link
    assert seen == asked[::-1]


async def test_the_list_is_filtered_by_topic_status_and_conversation(service: Service):
    """Filters narrow, together; what fits nothing is an empty page."""
    one = await service.ask("pricing", conversation_id="c1")
    await service.when(one["id"], "notified")
    two = await service.ask("sales", conversation_id="c2")
    await service.call("POST", f"/assistance/{two['id']}/cancel")
    for query, expected in (
        ("topic=sales", [two["id"]]),
        ("status=cancelled", [two["id"]]),
        ("status=notified", [one["id"]]),
        ("conversation_id=c1", [one["id"]]),
        ("conversation_id=c1&topic=sales", []),
        ("topic=nope", []),
    ):
        status, page, _ = await service.call("GET", f"/assistance?{query}")
        assert (status, [each["id"] for each in page["data"]], page["next_cursor"]) == (200, expected, None), query


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=99999999999999999999",
        "status=nope",
        "cursor=",
        "cursor=x",
        "cursor=AQ",
        "cursor=AgAAAAAAAAAAAAAAAAAAAAAAAQ",
        "cursor=%00",
        "topic=%00",
        "conversation_id=a%00b",
    ],
)
async def test_a_query_that_means_nothing_is_refused_and_not_echoed(service: Service, query: str):
    """422 naming the parameter and what is wrong with it, never the value."""
    status, problem, _ = await service.call("GET", f"/assistance?{query}")
    name, _, value = query.partition("=")
    assert (status, [each["pointer"] for each in problem["errors"]]) == (422, [f"#/query/{name}"])
    assert problem["errors"][0]["detail"] != "is not valid"
    assert len(value) < 2 or value not in str(problem)


async def test_a_cancelled_request_is_over(service: Service):
    """200, then 409; what waited is skipped, people who were notified read it; `If-Match` counts."""
    asked = await service.ask()
    await service.when(asked["id"], "notified")
    path = f"/assistance/{asked['id']}/cancel"
    assert (await service.call("POST", path, headers={"If-Match": '"x"'}))[0] == 412
    _, _, answer = await service.call("GET", f"/assistance/{asked['id']}")
    status, body, _ = await service.call("POST", path, headers={"If-Match": answer.headers["ETag"]})
    assert (status, body["status"], body["deliveries"][1]["state"]) == (200, "cancelled", "skipped")
    status, problem, _ = await service.call("POST", path)
    assert (status, problem["type"]) == (409, "/problems/conflict")
    (_, said) = await service.slack.arrived(2)
    assert "cancelled" in said.text


async def test_paths_answer_with_and_without_a_slash_and_never_redirect(service: Service):
    """Both forms of each, for good answers and for refusals."""
    asked = await service.ask()
    paths = ["/assistance", f"/assistance/{asked['id']}", f"/assistance/{asked['id']}/events", "/topics", "/-/config"]
    for path in [*paths, f"/assistance/{asked['id']}/deliveries", "/-/channels", "/-/deliveries", "/openapi.json"]:
        for form in (path, f"{path}/"):
            assert (await service.call("GET", form))[0] == 200, form
    for form in ("/heartbeat", "/heartbeat/", "/heartbeat/private/", "/heartbeat/scoped/"):
        assert (await service.call("GET", form))[0] == 204, form
    for form, said in (("/livez", "ok"), ("/livez/", "ok"), ("/readyz", "ready"), ("/readyz/", "ready")):
        status, body, answer = await service.call("GET", form)
        assert (status, body, answer.content_type) == (200, {"status": said}, "application/json"), form
    for form in ("/assistance", "/assistance/"):
        assert (await service.call("POST", form, json={"topic": "sales", "description": "x"}))[0] == 201


async def test_what_is_not_there_is_told_as_a_problem(service: Service):
    """404 and 405 are problem documents, 405 with `Allow`; each with the request's id."""
    for method, path, status in (
        ("GET", "/nope", 404),
        ("GET", "/assistance/nonsense", 404),
        ("GET", f"/assistance/{NOBODYS}", 404),
        ("PUT", "/assistance", 405),
        ("DELETE", f"/assistance/{NOBODYS}", 405),
        ("GET", "/-/reload", 405),
    ):
        code, problem, answer = await service.call(method, path, headers={"X-Request-ID": "mine-1"})
        assert (code, problem["status"], answer.content_type) == (status, status, "application/problem+json")
        assert (problem["request_id"], answer.headers["X-Request-ID"]) == ("mine-1", "mine-1")
        assert bool(answer.headers.get("Allow")) is (status == 405)


async def test_a_request_id_is_kept_or_replaced(service: Service):
    """1 to 128 visible ASCII characters come back; anything else is replaced by one of ours."""
    for given, kept in (
        ("a", True),
        ("x" * 128, True),
        ("{~!", True),
        ("x" * 129, False),
        ("a b", False),
        ("ü", False),
    ):
        async with service.session.get(f"{service.url}/livez", headers={"X-Request-ID": given}) as answer:
            assert (answer.headers["X-Request-ID"] == given) is kept
