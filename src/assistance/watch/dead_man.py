"""A sign of life for an operator's watchman: he raises the alarm when it stays away."""

from collections.abc import Awaitable, Callable

import structlog

from assistance.model import Clock, Verdict
from assistance.outgoing import Http
from assistance.settings import Secret

log = structlog.get_logger(__name__)

PING_EVERY = 60.0
_PATIENCE = 10.0


async def ping_while_well(url: Secret, http: Http, clock: Clock, well: Callable[[], Awaitable[bool]]) -> None:
    """GET `url` once a minute for as long as all is well, until cancelled; whoever knows the URL can ping it too."""
    while True:
        if await well():
            try:
                await http.get(url, timeout=_PATIENCE)
            except Verdict as verdict:
                log.warning("dead_man_ping_failed", reason=verdict.reason, code=verdict.code)
        else:
            log.warning("dead_man_ping_withheld")
        await clock.sleep(PING_EVERY)
