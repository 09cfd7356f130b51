import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.fakes.clock import ManualClock, until
from tests.routing.files import ENVIRON, GOOD

from assistance.model import SystemClock
from assistance.routing import LiveRouting, Routing, RoutingError
from assistance.routing.live import POLL_EVERY, REREAD_EVERY

MORE = GOOD.replace("  pricing:\n", "  support:\n    steps:\n      - notify: [pricing-mail]\n  pricing:\n", 1)
WRONG = GOOD.replace("notify: [pricing-mail]", "notify: [nobody]", 1)


@asynccontextmanager
async def watching(live: LiveRouting, clock: ManualClock) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
    """The watch runs; what comes back lets seconds pass, look by look, and returns when all is done."""

    async def passes(seconds: float) -> None:
        for _ in range(round(seconds / POLL_EVERY)):
            clock.advance(POLL_EVERY)
            await until(lambda: clock.sleeping or task.done())
        assert not task.done()

    task = asyncio.create_task(live.watch())
    await until(lambda: clock.sleeping)
    yield passes
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def fail(_routing: Routing) -> None:
    raise ZeroDivisionError


def write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


def take_away(file: Path) -> Path:
    return file.rename(file.with_name("away"))


def overwrite(file: Path) -> None:
    file.write_text(MORE, encoding="utf-8")


def rename_over(file: Path) -> None:
    draft = file.with_suffix(".swp")
    draft.write_text(MORE, encoding="utf-8")
    draft.replace(file)


def remove_and_create(file: Path) -> None:
    file.unlink()
    file.write_text(MORE, encoding="utf-8")


def replace_the_folder(file: Path) -> None:
    fresh = file.parent.with_name("fresh")
    fresh.mkdir()
    (fresh / file.name).write_text(MORE, encoding="utf-8")
    file.parent.rename(file.parent.with_name("stale"))
    fresh.rename(file.parent)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    path = folder / "assistance.yaml"
    path.write_text(GOOD, encoding="utf-8")
    return path


@pytest.fixture
def live(file: Path, clock: ManualClock) -> LiveRouting:
    return LiveRouting(file, dict(ENVIRON), clock=clock)


async def test_a_reload_puts_the_new_file_in_force_and_calls_the_subscribers(live: LiveRouting, file: Path) -> None:
    """What `reload` returns is in force, and each subscriber is called once, even after one that fails."""
    heard: list[Routing] = []
    live.subscribe(fail)
    live.subscribe(heard.append)
    overwrite(file)
    with capture_logs() as logs:
        fresh = await live.reload("SIGHUP")
    assert live.current is fresh
    assert heard == [fresh]
    assert "support" in fresh.topics
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("routing_reloaded", "info"),
        ("routing_subscriber_failed", "error"),
    ]
    assert (logs[0]["reason"], logs[0]["topics"], logs[0]["channels"]) == ("SIGHUP", 3, 3)


async def test_a_wrong_file_never_replaces_a_good_one(live: LiveRouting, file: Path, clock: ManualClock) -> None:
    """The refusal says everything, the routing stays, the metrics know; the next good file is taken."""
    known = "lines, pricing-mail, sales-slack"
    before, started = live.current, clock.now()
    heard: list[Routing] = []
    live.subscribe(heard.append)
    assert (live.last_reload_successful, live.last_reload_at) == (True, started)

    write(file, WRONG)
    clock.advance(5)
    with capture_logs() as logs, pytest.raises(RoutingError, match="unknown channel nobody"):
        await live.reload("POST /-/reload")
    assert live.current is before
    assert heard == []
    assert (live.last_reload_successful, live.last_reload_at) == (False, started + 5)
    assert [(line["event"], line["problems"]) for line in logs] == [
        (
            "routing_reload_failed",
            [f"{file}:24: topics.Sales.steps #2.notify #1: unknown channel nobody; there are: {known}"],
        )
    ]

    overwrite(file)
    await live.reload("POST /-/reload")
    assert live.last_reload_successful
    assert "support" in live.current.topics


@pytest.mark.parametrize("change", [overwrite, rename_over, remove_and_create, replace_the_folder])
async def test_a_changed_file_is_in_force_within_a_second(
    live: LiveRouting, file: Path, clock: ManualClock, change: Callable[[Path], None]
) -> None:
    """However the file is replaced, the watch sees it in time."""
    async with watching(live, clock) as passes:
        change(file)
        await passes(0.6)
        assert "support" in live.current.topics


async def test_the_swap_of_a_link_is_a_change(tmp_path: Path, clock: ManualClock) -> None:
    """Kubernetes mounts a ConfigMap as links to a folder, and swaps the link of the folder."""
    for name, text in (("..one", GOOD), ("..two", MORE)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "assistance.yaml", text)
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "assistance.yaml").symlink_to("..data/assistance.yaml")
    live = LiveRouting(tmp_path / "assistance.yaml", ENVIRON, clock=clock)
    async with watching(live, clock) as passes:
        (tmp_path / "..new").symlink_to("..two")
        (tmp_path / "..new").replace(tmp_path / "..data")
        await passes(0.6)
        assert "support" in live.current.topics


async def test_a_file_that_is_away_for_a_moment_is_waited_for(
    live: LiveRouting, file: Path, clock: ManualClock
) -> None:
    """The folder vanishes for ten seconds: nothing is said; it comes back changed: the change is in force."""
    async with watching(live, clock) as passes:
        away = file.parent.rename(file.parent.with_name("away"))
        with capture_logs() as logs:
            await passes(10)
        assert logs == []
        assert live.last_reload_successful
        write(away / file.name, MORE)
        away.rename(file.parent)
        await passes(0.6)
        assert "support" in live.current.topics


async def test_a_file_that_stays_away_is_logged_once_until_it_returns(
    live: LiveRouting, file: Path, clock: ManualClock
) -> None:
    """The reading each minute finds it gone; the same failure is logged once; the same content again ends it."""
    async with watching(live, clock) as passes:
        away = take_away(file)
        with capture_logs() as logs:
            await passes(3 * REREAD_EVERY + 1)
        assert [line["event"] for line in logs] == ["routing_reload_failed"]
        assert not live.last_reload_successful
        away.rename(file)
        await passes(REREAD_EVERY)
        assert live.last_reload_successful


async def test_a_file_that_is_still_being_written_is_left_alone(
    live: LiveRouting, file: Path, clock: ManualClock
) -> None:
    """A writer that takes its time never has half of its file put in force, though the half would be good."""
    half = GOOD[: GOOD.index("  pricing:\n")]
    async with watching(live, clock) as passes:
        write(file, half)
        await passes(POLL_EVERY)
        write(file, MORE)
        await passes(POLL_EVERY)
        assert "pricing" in live.current.topics
        await passes(POLL_EVERY)
        assert "support" in live.current.topics


async def test_an_unchanged_file_does_nothing(live: LiveRouting, file: Path, clock: ManualClock) -> None:
    """Neither the minute's reading nor a mere touch makes a reload of the same content."""
    before = live.current
    async with watching(live, clock) as passes:
        os.utime(file, (1, 1))
        await passes(REREAD_EVERY + 1)
        assert live.current is before


async def test_a_secret_that_changed_is_in_force_within_a_minute(file: Path, clock: ManualClock) -> None:
    """A rotated `file:` secret and a changed variable both count as a change."""
    token = file.with_name("token")
    write(token, "xoxb-1\n")
    write(file, GOOD.replace("env:SLACK_TOKEN", f"file:{token}"))
    environ = dict(ENVIRON)
    live = LiveRouting(file, environ, clock=clock)

    def values() -> list[str]:
        return [secret.reveal() for secret in live.current.secrets]

    async with watching(live, clock) as passes:
        write(token, "xoxb-2\n")
        await passes(REREAD_EVERY)
        assert values()[0] == "xoxb-2"
        environ["SMTP_URL"] = "smtp://mail.example:587"
        await passes(REREAD_EVERY)
        assert values()[1] == "smtp://mail.example:587"


async def test_a_reload_that_would_lose_a_secret_is_refused(file: Path, clock: ManualClock) -> None:
    """What was missing from the start may stay so; what was there must not go missing."""
    environ = {name: value for name, value in ENVIRON.items() if name != "SHOP_BOT_SECRET"}
    live = LiveRouting(file, environ, clock=clock)
    assert live.current.missing_secrets == ("env:SHOP_BOT_SECRET",)
    overwrite(file)
    await live.reload("SIGHUP")

    write(file, MORE.replace("env:SLACK_TOKEN", "env:NEW_TOKEN"))
    with pytest.raises(RoutingError) as caught:
        await live.reload("SIGHUP")
    assert [problem.text for problem in caught.value.problems] == [
        "channels.sales-slack.token: env:NEW_TOKEN is not set"
    ]
    assert "support" in live.current.topics


async def test_reloads_that_meet_take_turns(live: LiveRouting, file: Path) -> None:
    """Of many at once each finds the newest content, and what is in force at the end is what came last."""
    heard: list[Routing] = []
    live.subscribe(heard.append)
    overwrite(file)
    results = await asyncio.gather(*(live.reload(f"call {n}") for n in range(8)))
    assert heard == results
    assert live.current is results[-1]
    assert len({routing.digest for routing in results}) == 1


async def test_a_start_with_a_wrong_file_is_refused(file: Path, clock: ManualClock) -> None:
    """There is nothing to fall back on: the error goes to who starts it."""
    write(file, WRONG)
    with pytest.raises(RoutingError):
        LiveRouting(file, ENVIRON, clock=clock)


async def test_the_watch_works_on_the_machines_own_clock(file: Path) -> None:
    """With real time and a real folder a saved change comes into force without anything else."""
    live = LiveRouting(file, ENVIRON, clock=SystemClock())
    changed = asyncio.Event()
    live.subscribe(lambda _: changed.set())
    task = asyncio.create_task(live.watch())
    rename_over(file)
    async with asyncio.timeout(10):
        await changed.wait()
    assert "support" in live.current.topics
    task.cancel()
