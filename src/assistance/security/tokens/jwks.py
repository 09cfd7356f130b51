"""An issuer's keys, fetched in the background: a call with a known key never waits for the issuer.

Why not PyJWT's `PyJWKClient`: it fetches within a call, blocks the event loop for each caller, and keeps no old
keys while the issuer is down.
"""

import asyncio
from collections.abc import Callable

import structlog

from assistance.model import Clock, Verdict
from assistance.security.tokens.keys import Key, KeySet, UnreadableKeysError
from assistance.security.tokens.principal import CannotVerify
from assistance.security.tokens.source import KeySource

MAX_BYTES = 256 * 1024
"""Of one document; `fetch` must cap the answer at this."""
PATIENCE = 3.0
"""Seconds for one fetch in all, discovery included."""
FRESH = 480.0
"""Seconds after which the keys are fetched anew: a withdrawn key is refused within 10 minutes."""
STALE = 86400.0
"""Seconds for which the last keys are used while no new ones can be fetched."""
COOL_DOWN = 30.0
"""Seconds between fetches for unknown key ids, and the longest pause after a failure."""

log = structlog.get_logger(__name__)


class Jwks:
    """The keys of one issuer.

    `run` must be running: it keeps them fresh. A known key is returned at once; for an unknown one all callers wait for
    one and the same fetch.
    """

    def __init__(
        self, source: KeySource, clock: Clock, *, on_fetch: Callable[[str | None], None] = lambda _failure: None
    ) -> None:
        """Nothing is fetched yet; `on_fetch` is called after each fetch with None, or with why it failed."""
        self._source = source
        self._clock = clock
        self._on_fetch = on_fetch
        self._keys: KeySet | None = None
        self._fetched_at = 0.0
        self._asked_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._failure: str | None = "not fetched yet"

    @property
    def current(self) -> KeySet | None:
        """The keys to trust now, the same object as long as they are the same; None when there are none."""
        return self._keys if self._clock.monotonic() - self._fetched_at < STALE else None

    def known(self, kid: str | None, algorithm: str) -> Key | None:
        """The key if it is known. Raises InvalidToken when several fit."""
        keys = self.current
        return None if keys is None else keys.find(kid, algorithm)

    async def key(self, kid: str | None, algorithm: str) -> Key | None:
        """The key, after a fetch if it is unknown and none was made for an unknown key just now.

        Returns:
            None when the issuer has no such key.

        Raises:
            InvalidToken: several keys fit.
            CannotVerify: the issuer cannot be asked whether it has the key.
        """
        found = self.known(kid, algorithm)
        if found is not None:
            return found
        if self._fetching is not None or self._may_ask():
            await asyncio.wait({self._fetch()})
            found = self.known(kid, algorithm)
        if found is None and self._failure is not None:
            raise CannotVerify(self._failure)
        return found

    async def refresh(self) -> KeySet:
        """Fetch now, or join the fetch under way. Raises CannotVerify."""
        await asyncio.wait({self._fetch()})
        if self._keys is None or self._failure is not None:
            raise CannotVerify(self._failure or "no keys")
        return self._keys

    async def run(self) -> None:
        """Keep the keys fresh until cancelled."""
        pause = 1.0
        try:
            while True:
                await asyncio.wait({self._fetch()})
                pause = FRESH if self._failure is None else min(pause * 2, COOL_DOWN)
                await self._clock.sleep(pause)
        finally:
            if self._fetching is not None:
                self._fetching.cancel()

    def _may_ask(self) -> bool:
        now = self._clock.monotonic()
        if self._asked_at is not None and now - self._asked_at < COOL_DOWN:
            return False
        self._asked_at = now
        return True

    def _fetch(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._renew())
        return self._fetching

    async def _renew(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                keys = KeySet.parse(await self._source.read())
        except asyncio.CancelledError:
            self._failure = "the service is stopping"
            raise
        except Exception as failure:  # noqa: BLE001 - whatever it was, the last keys stay in use, and no caller sees it
            self._failure = _reason(failure)
            log.warning("jwks_fetch_failed", reason=self._failure)
            self._on_fetch(self._failure)
        else:
            self._failure = None
            self._on_fetch(None)
            self._fetched_at = self._clock.monotonic()
            if keys != self._keys:
                self._keys = keys
                log.info("jwks_changed", keys=len(keys.keys))
        finally:
            self._fetching = None


def _reason(failure: Exception) -> str:
    if isinstance(failure, TimeoutError):
        return f"no answer within {PATIENCE:g} s"
    # Secrets: a library's text may quote the answer or its address.
    return str(failure) if isinstance(failure, Verdict | UnreadableKeysError) else type(failure).__name__
