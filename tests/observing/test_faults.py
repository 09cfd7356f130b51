"""Every alert rule fires when its fault is caused in a running service: real figures, the shipped rules, promtool."""

import re
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pysqlite3.dbapi2
import pytest
from tests.fakes.clock import until
from tests.fakes.service import Service, running
from tests.observing.promtool import Figures, figures, firing, rules

from assistance.app import Role
from assistance.model import SystemClock
from assistance.routing import RoutingError
from assistance.sandbox.slack import Fault
from assistance.security import CannotVerify


class ShiftedClock(SystemClock):
    """The machine's clock, moved on by the test."""

    wall = 0.0
    steady = 0.0

    def now(self) -> float:
        return super().now() + self.wall

    def monotonic(self) -> float:
        return super().monotonic() + self.steady

    def shift(self, seconds: float) -> None:
        """Let time pass."""
        self.jump(seconds)
        self.steady += seconds

    def jump(self, seconds: float) -> None:
        """Set the time of day."""
        self.wall += seconds


# Fetches of keys have an outcome "failed" as well, and from the start.
_GIVEN_UP = re.compile(rb'^assistance_deliveries_total\{[^}]*outcome="failed"', re.MULTILINE)


@dataclass
class Scene:
    """A service in which all was well a moment ago."""

    service: Service
    clock: ShiftedClock
    folder: Path
    before: Figures

    async def scrape(self) -> Figures:
        """What Prometheus sees once the backlog has been looked up."""
        await self.service.house.backlog.read()
        return await self.plain_scrape()

    async def plain_scrape(self) -> Figures:
        async with self.service.session.get(f"{self.service.url}/metrics") as answer:
            return figures(await answer.text(), self.clock.now())

    def fires(self, rule: str, after: Figures) -> None:
        firing(rule, self.before, after, self.folder)

    def in_database(self, statement: str) -> None:
        with closing(pysqlite3.dbapi2.connect(self.folder / "assistance.db", isolation_level=None)) as connection:
            connection.execute(statement)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ShiftedClock()
    async with running(tmp_path, clock=clock) as service:
        scene = Scene(service, clock, tmp_path, {})
        await service.when((await service.ask("sales"))["id"], "notified")
        await service.house.auditor.audit()
        scene.before = await scene.scrape()
        yield scene
        service.slack.always(None)


async def test_a_revoked_token(scene: Scene):
    """Slack refuses the token: the channel is parked."""
    scene.service.slack.always(Fault(error="token_revoked"))
    await scene.service.ask("sales")
    dispatcher = scene.service.house.dispatcher
    assert dispatcher is not None
    # The lane knows at once; a scrape shows what the store has recorded.
    await until(lambda: dispatcher.lanes["sales-slack"].health.version)
    assert dispatcher.parked
    scene.fires("AssistanceChannelParked", await scene.scrape())


async def test_a_provider_that_is_down(scene: Scene):
    """Slack answers 503 for some time: messages wait, none is delivered, its breaker is open."""
    scene.service.slack.always(Fault(status=503))
    for _ in range(6):
        await scene.service.ask("sales")
    dispatcher = scene.service.house.dispatcher
    assert dispatcher is not None
    await until(lambda: not dispatcher.lanes["sales-slack"].health.breaker.closed)
    scene.clock.shift(400)
    after = await scene.scrape()
    scene.fires("AssistanceUndelivered", after)
    scene.fires("AssistanceNothingDelivered", after)
    scene.fires("AssistanceChannelNotAnswering", after)


async def test_a_message_that_is_refused_for_good(scene: Scene):
    """Slack takes the message in neither form: it is given up."""
    scene.service.slack.always(Fault(error="invalid_blocks"))
    await scene.service.ask("sales")
    await until(lambda: _GIVEN_UP.search(scene.service.house.metrics.text()))
    scene.fires("AssistanceDeliveryFailed", await scene.scrape())


async def test_a_request_that_nobody_takes(scene: Scene):
    """Hours go by without a claim."""
    scene.clock.shift(5 * 3600)
    scene.fires("AssistanceUnclaimed", await scene.scrape())


async def test_a_store_that_holds_up_the_dispatcher(scene: Scene):
    """Somebody else keeps the database locked while time goes by."""
    dispatcher = scene.service.house.dispatcher
    assert dispatcher is not None
    with closing(pysqlite3.dbapi2.connect(scene.folder / "assistance.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        await until(lambda: dispatcher.seconds_since_beat > 2)
        scene.clock.shift(60)
        after = await scene.plain_scrape()
    scene.fires("AssistanceDispatchStandsStill", after)


async def test_a_house_without_a_dispatcher(scene: Scene):
    """Only API processes are left."""
    (scene.folder / "api").mkdir()
    async with (
        running(scene.folder / "api", role=Role.API) as service,
        service.session.get(f"{service.url}/metrics") as answer,
    ):
        after = figures(await answer.text(), service.house.clock.now())
    scene.fires("AssistanceNoDispatcher", after)


async def test_a_lease_that_another_process_took_over(scene: Scene):
    """While Slack is slow the lease is lost; the next renewal finds out."""
    scene.service.slack.always(Fault(hang=2))
    await scene.service.ask("sales")
    dispatcher = scene.service.house.dispatcher
    assert dispatcher is not None
    await until(lambda: dispatcher.lanes["sales-slack"].leased)
    scene.in_database("UPDATE deliveries SET fence = fence + 1 WHERE state = 'sending'")
    await dispatcher._housekeeping.renew()
    scene.fires("AssistanceLeasesLost", await scene.scrape())


async def test_a_clock_that_jumps(scene: Scene):
    """The time of day is set an hour ahead: the next audit finds it."""
    scene.clock.jump(3600)
    await scene.service.house.auditor.audit()
    scene.fires("AssistanceAuditFinding", await scene.scrape())


async def test_a_store_that_takes_no_write(scene: Scene):
    """A table is gone: the audit cannot write."""
    scene.in_database("DROP TABLE beats")
    await scene.service.house.auditor.audit()
    scene.fires("AssistanceStoreNotWritable", await scene.scrape())


async def test_audits_that_stay_away(scene: Scene):
    """Ten minutes go by in which the process gets to no audit."""
    scene.clock.shift(600)
    scene.fires("AssistanceAuditSilent", await scene.scrape())


async def test_a_routing_file_that_is_refused(scene: Scene):
    """A slip in the file: the one before stays in force."""
    scene.service.routing_file.write_text("topics: [", encoding="utf-8")
    with suppress(RoutingError):
        await scene.service.house.routing.reload("test")
    await until(lambda: b"last_reload_successful 0" in scene.service.house.metrics.text())
    scene.fires("AssistanceReloadFailed", await scene.scrape())


async def test_an_issuer_that_fails(scene: Scene):
    """Its keys are answered with 500."""
    scene.service.jwks.fail()
    with suppress(CannotVerify):
        await scene.service.house.jwks.refresh()
    scene.fires("AssistanceKeysNotFetched", await scene.scrape())


async def test_a_bug_of_ours(scene: Scene):
    """An endpoint raises what nobody expected."""

    async def bug() -> None:
        raise RuntimeError

    scene.service.house.api.add_api_route("/bug", bug)
    status, _, _ = await scene.service.call("GET", "/bug")
    assert status == 500
    scene.fires("AssistanceServerErrors", await scene.scrape())


async def test_asks_that_cannot_be_stored(scene: Scene):
    """A table is gone: every ask is answered with 503."""
    scene.in_database("DROP TABLE events")
    status, _, _ = await scene.service.call("POST", "/assistance", json={"topic": "sales", "description": "x"})
    assert status == 503
    scene.fires("AssistanceRefusingCalls", await scene.scrape())


async def test_a_service_that_is_gone(scene: Scene):
    """Nothing is scraped any more."""
    scene.fires("AssistanceAbsent", {})


def test_the_fault_of_every_rule_is_caused_here():
    """No rule is shipped whose fault was not caused by a test above."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert not [rule["alert"] for rule in rules() if f'fires("{rule["alert"]}"' not in text]
