"""Tokens at the door, over real sockets: the whole list of attacks, and the ways around the header."""

import re

import pytest
from multidict import CIMultiDict
from tests.fakes.attacks import attacks
from tests.fakes.service import Service

BODY = {"topic": "sales", "description": "x"}
UNSENDABLE = re.compile(r"[\r\n\0]")


async def test_every_attack_is_refused_and_none_leaves_a_trace(service: Service):
    """401, or 403 where only the right is missing; nothing of the token is repeated, nothing is stored."""
    wrong = []
    for attack in attacks():
        token = attack.make(service.forger)
        if UNSENDABLE.search(token) or not token.isascii() or token.strip() != token:
            # What HTTP does not carry, or takes away on the wire (RFC 9110, sections 5.5 and 11.4), is no attack here.
            continue
        headers = {"Authorization": f"Bearer {token}"}
        async with service.session.post(f"{service.url}/assistance", json=BODY, headers=headers) as answer:
            problem = await answer.json(content_type=None)
            expected = {403} if attack.expected == "forbidden" else {401, 431}
            challenged = "WWW-Authenticate" in answer.headers or answer.status == 431
            if answer.status not in expected or not challenged or (len(token) > 8 and token in str(problem)):
                wrong.append((attack.name, answer.status, problem))
    assert not wrong
    assert service.jwks.fetches <= 3
    _, page, _ = await service.call("GET", "/assistance")
    assert page["data"] == []


async def test_a_token_counts_in_its_header_only(service: Service):
    """Not in the query, a cookie, the body or another header; and not twice."""
    good = service.token()
    url = f"{service.url}/assistance"
    async with service.session.post(f"{url}?access_token={good}&token={good}", json=BODY) as answer:
        assert answer.status == 401
    async with service.session.post(
        url, json=BODY, headers={"Cookie": f"token={good}; Authorization={good}"}
    ) as answer:
        assert answer.status == 401
    async with service.session.post(url, json={**BODY, "access_token": good}) as answer:
        assert answer.status == 401
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with service.session.post(url, data=f"access_token={good}", headers=form) as answer:
        assert answer.status == 401
    twice = CIMultiDict([("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")])
    async with service.session.post(url, json=BODY, headers=twice) as answer:
        assert (answer.status, "invalid_token" in answer.headers["WWW-Authenticate"]) == (401, True)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "bearer", "Token x", "Bearer a b", "Bearer\t"]
)
async def test_what_is_no_bearer_token_is_a_401(service: Service, header: str):
    """Whatever stands in the header, the answer says which kind it wants."""
    async with service.session.post(
        f"{service.url}/assistance", json=BODY, headers={"Authorization": header}
    ) as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"].startswith("Bearer ")) == (401, True)


async def test_the_scheme_may_be_written_in_any_case(service: Service):
    """`bearer` is `Bearer` (RFC 9110, section 11.1)."""
    headers = {"Authorization": f"bEARER {service.token()}"}
    async with service.session.get(f"{service.url}/heartbeat/private", headers=headers) as answer:
        assert answer.status == 204


@pytest.mark.parametrize(
    ("path", "scope", "status"),
    [
        ("/heartbeat", None, 204),
        ("/heartbeat/private", None, 401),
        ("/heartbeat/private", "anything", 204),
        ("/heartbeat/scoped", None, 401),
        ("/heartbeat/scoped", "request-assistance pingpong", 403),
        ("/heartbeat/scoped", "ping", 204),
        ("/topics", None, 401),
        ("/-/config", "work-assistance", 403),
    ],
)
async def test_heartbeats_tell_a_bot_what_its_token_is_good_for(
    service: Service, path: str, scope: str | None, status: int
):
    """204 as far as the token goes."""
    headers = {} if scope is None else {"Authorization": f"Bearer {service.token(scope)}"}
    async with service.session.get(service.url + path, headers=headers) as answer:
        assert answer.status == status


async def test_while_the_keys_cannot_be_had_a_new_key_is_a_503(service: Service):
    """It cannot be checked now; known keys go on."""
    await service.call("GET", "/topics")
    service.jwks.fail(500)
    token = service.forger.headed(kid="new")
    async with service.session.get(f"{service.url}/topics", headers={"Authorization": f"Bearer {token}"}) as answer:
        assert (answer.status, "Retry-After" in answer.headers) == (503, True)
    assert (await service.call("GET", "/topics"))[0] == 200
