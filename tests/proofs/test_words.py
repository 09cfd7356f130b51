"""A customer's text stays text in Slack; a repeated idempotency key is compared with its body."""

import random
from pathlib import Path

from tests.conftest import Say
from tests.fakes.process import ServiceProcess, surroundings
from tests.proofs.clients import asks, send
from tests.proofs.crashes import drained
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import serving

MARKUP = ("<!channel>", "<@U1>", "<http://evil.example|your bank>", "<!subteam^S1>", "&lt;!here&gt;")


async def _obeyed(folder: Path, database: Database, rng: random.Random, *plants: str) -> list[str]:
    """The texts that Slack read as markup."""
    log = asks(len(MARKUP), rng)
    async with surroundings(folder) as around, serving(around, database, *plants) as service:
        for ask, markup in zip(log, MARKUP, strict=True):
            ask.topic, ask.description = "sales", f"{ask.marker} {markup}"
            await send(service, ask)
        await drained(service, database)
        texts = [message.text for message in around.slack.messages]
        assert len(texts) == len(MARKUP)
        assert all(message.payload["parse"] == "none" for message in around.slack.messages)
        return [markup for markup in MARKUP if any(markup in text for text in texts)]


@ONE_IN_CI
async def test_markup_reaches_slack_as_text(tmp_path: Path, database: Database, rng: random.Random):
    """No customer can notify a whole channel, or hide a link's target."""
    assert await _obeyed(tmp_path, database, rng) == []


@ONE_IN_CI
async def test_the_look_at_markup_finds_a_service_that_does_not_escape(
    tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """Without escaping, the check above finds it."""
    obeyed = await _obeyed(tmp_path, database, rng, "no_escaping")
    say(f"planted no escaping: {obeyed}")
    assert obeyed


async def _replays(folder: Path, database: Database, *plants: str) -> list[tuple[int, str | None]]:
    """Status and id of a call with a key, of the same again, and of another body with the same key."""
    async with surroundings(folder) as around, serving(around, database, *plants) as service:
        words = ("first", "first", "second")
        return [await _ask(service, {"topic": "sales", "description": word}) for word in words]


async def _ask(service: ServiceProcess, body: dict[str, str]) -> tuple[int, str | None]:
    headers = {**service.around.bearer, "Idempotency-Key": "one"}
    async with service.around.session.post(f"{service.url}/assistance", json=body, headers=headers) as answer:
        return answer.status, (await answer.json()).get("id")


@ONE_IN_CI
async def test_a_used_key_with_another_body_is_refused(tmp_path: Path, database: Database):
    """The same call twice is one request; another body with its key is refused."""
    first, again, other = await _replays(tmp_path, database)
    assert first == again
    assert first[0] == 201
    assert other == (422, None)


@ONE_IN_CI
async def test_the_look_at_keys_finds_a_service_that_does_not_compare_bodies(
    tmp_path: Path, database: Database, say: Say
):
    """Without the comparison another body gets the first one's id, and the check above finds it."""
    first, _, other = await _replays(tmp_path, database, "body_not_compared")
    say(f"planted no comparison: {other}")
    assert other == first
