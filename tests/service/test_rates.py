"""Rate limits over real sockets: per client with a token, per address without."""

import asyncio
import re
from pathlib import Path

from tests.fakes.service import Service, running


async def flood(service: Service, count: int, token: str) -> list[int]:
    """The statuses of so many calls at once."""

    async def one() -> int:
        headers = {"Authorization": f"Bearer {token}"}
        async with service.session.get(f"{service.url}/topics", headers=headers) as answer:
            return answer.status

    return await asyncio.gather(*(one() for _ in range(count)))


async def test_a_client_above_its_rate_is_told_when_to_come_back(tmp_path: Path):
    """429 with all three fields; another client is not concerned; health is never limited."""
    async with running(tmp_path, ASSISTANCE_RATE_LIMIT="5/s") as service:
        statuses = await flood(service, 30, service.token())
        assert set(statuses) == {200, 429}
        assert 5 <= statuses.count(200) <= 15
        while True:
            status, problem, refused = await service.call("GET", "/topics")
            if status == 429:
                break
        assert (problem["type"], problem["status"]) == ("/problems/too-many-requests", 429)
        assert re.fullmatch(r"[1-9]\d*", refused.headers["Retry-After"])
        assert re.fullmatch(r'"client";r=0;t=[1-9]\d*', refused.headers["RateLimit"])
        assert refused.headers["RateLimit-Policy"] == '"client";q=5;w=1'
        assert (await service.call("GET", "/topics", sub="bot-2"))[0] == 200
        async with service.session.get(f"{service.url}/livez") as answer:
            assert answer.status == 200


async def test_a_flood_without_a_token_never_costs_those_who_have_one(tmp_path: Path):
    """Beyond the address's rate 401 becomes 429; good tokens from the same address are served all the while."""
    async with running(tmp_path, ASSISTANCE_RATE_LIMIT_UNAUTHENTICATED="5/s") as service:
        bad, good = await asyncio.gather(flood(service, 60, "junk"), flood(service, 60, service.token()))
        assert set(bad) == {401, 429}
        assert bad.count(401) <= 15
        assert set(good) == {200}
