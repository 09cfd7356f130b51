"""The sign of life for a watchman."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web
from tests.fakes.clock import ManualClock, until

from assistance.outgoing import Http
from assistance.settings import Secret, SettingsError, load_settings
from assistance.watch.health import ping_while_well


@asynccontextmanager
async def watchman(status: int = 200) -> AsyncIterator[tuple[Secret, list[str]]]:
    """His URL, and the paths of the pings that came."""
    came: list[str] = []

    async def ping(request: web.Request) -> web.Response:
        came.append(request.path)
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/ping/{id}", ping)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield Secret("env:ASSISTANCE_DEAD_MAN_URL", f"http://{host}:{port}/ping/8a1c"), came
    finally:
        await runner.cleanup()


async def test_the_watchman_hears_every_minute_while_all_is_well():
    """A ping a minute; none while something is wrong; a watchman who fails costs nothing but a line in the log."""
    clock, well = ManualClock(), True

    async def is_well() -> bool:
        return well

    async with watchman(status=500) as (url, came), Http() as http:
        pinging = asyncio.create_task(ping_while_well(url, http, clock, is_well))
        await until(lambda: clock.sleeping)
        clock.advance(60)
        await until(lambda: len(came) == 2 and clock.sleeping)
        well = False
        clock.advance(60)
        await until(lambda: clock.sleeping == [60])
        pinging.cancel()
        with suppress(asyncio.CancelledError):
            await pinging
    assert came == ["/ping/8a1c"] * 2


@pytest.mark.parametrize("url", ["http://watchman.example/canary", "ftp://watchman.example/canary", "https:///canary"])
def test_the_watchmans_url_is_safe_and_secret(url: str):
    """Only https, or http on loopback; what is refused is not repeated, what is taken shows in no `repr`."""
    needed = {"OIDC_ISSUER": "https://issuer.example/", "OIDC_AUDIENCE": "api", "SECRET_KEY": "k" * 32}
    environ = {f"ASSISTANCE_{name}": value for name, value in needed.items()}
    with pytest.raises(SettingsError) as refusal:
        load_settings({**environ, "ASSISTANCE_DEAD_MAN_URL": url}, None, dev=False)
    assert "ASSISTANCE_DEAD_MAN_URL" in str(refusal.value)
    assert "canary" not in str(refusal.value)
    dequeued = load_settings({**environ, "ASSISTANCE_DEAD_MAN_URL": "https://watchman.example/canary"}, None, dev=False)
    assert dequeued.dead_man_url is not None
    assert "canary" not in repr(dequeued)
