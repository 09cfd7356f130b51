"""The routing in force, and its reload: all or nothing, when the file or a secret has changed.

Why the watcher is not a library: kernel notifications follow an inode instead of a path, are not sent for network disks
and bind mounts of virtual machines, and flood when a database lives in the same folder. A `stat` costs microseconds.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from assistance.model import Clock
from assistance.routing.file.entries import Redirect
from assistance.routing.file.load import load
from assistance.routing.problem import Problem, RoutingError
from assistance.routing.routing import Routing
from assistance.settings import Secret

POLL_EVERY = 0.2
"""Seconds between two polls of the file. A change counts once two polls have found the same: the writer is done."""
REREAD_EVERY = 60.0
"""Seconds between two readings of the file and its secrets, whatever the polls have found."""

_log = structlog.get_logger(__name__)


class LiveRouting:
    """The last routing file that was good.

    `last_reload_successful` and `last_reload_at` (seconds since the epoch) are of the last attempt; the first reading
    counts as one. A secret that goes missing by a reload is a reason to refuse it; one that was missing before is not.
    """

    def __init__(
        self, path: Path, environ: Mapping[str, str], *, redirect: Redirect | None = None, clock: Clock
    ) -> None:
        """Read the file (see `load`). Raises RoutingError."""
        self._path = path
        self._environ = environ
        self._redirect = redirect
        self._clock = clock
        self._subscribers: list[Callable[[Routing], None]] = []
        self._one_at_a_time = asyncio.Lock()
        self._problems: tuple[Problem, ...] = ()
        self._known = _state(path)
        self.current = load(path, environ, redirect=redirect)
        self.last_reload_successful = True
        self.last_reload_at = clock.now()

    def subscribe(self, callback: Callable[[Routing], None]) -> None:
        """Have `callback` called, on the event loop, with each routing that replaces another."""
        self._subscribers.append(callback)

    async def reload(self, reason: str) -> Routing:
        """Read the file anew and put it in force; `reason` is for the log.

        Raises:
            RoutingError: it cannot be used; the one before stays in force.
        """
        async with self._one_at_a_time:
            self.last_reload_at = self._clock.now()
            try:
                fresh = await asyncio.to_thread(self._load)
            except Exception as error:
                self.last_reload_successful = False
                if isinstance(error, RoutingError):
                    self._log_refusal(reason, error)
                raise
            self._put_in_force(reason, fresh)
            return fresh

    async def watch(self) -> None:
        """Reload when the file or a secret has changed, for as long as this runs.

        A file that is gone for a moment is waited for; the reading each minute reports it if it stays away.
        """
        reread_at = self._clock.monotonic() + REREAD_EVERY
        last = self._known
        while True:
            await self._clock.sleep(POLL_EVERY)
            state = await asyncio.to_thread(_state, self._path)
            if state is not None and state == last and state != self._known:
                self._known = state
                await self._reload_if_different("file changed")
            last = state
            if self._clock.monotonic() >= reread_at:
                reread_at = self._clock.monotonic() + REREAD_EVERY
                await self._reload_if_different("reread")

    def _load(self) -> Routing:
        fresh = load(self._path, self._environ, redirect=self._redirect)
        if lost := [problem for source, problem in fresh.missing.items() if source not in self.current.missing]:
            raise RoutingError(lost)
        return fresh

    async def _reload_if_different(self, reason: str) -> None:
        if self.last_reload_successful and await asyncio.to_thread(self._in_force_already):
            return
        try:
            await self.reload(reason)
        except RoutingError:
            return  # logged already; the routing in force stays
        except Exception:  # noqa: BLE001 - a bug in reading one file must not end the watch
            _log.exception("routing_reload_broke", reason=reason)

    def _in_force_already(self) -> bool:
        try:
            content = self._path.read_bytes()
        except OSError:
            return False
        return hashlib.sha256(content).hexdigest() == self.current.digest and all(
            Secret.find(secret.source, self._environ) == secret for secret in self.current.secrets
        )

    def _put_in_force(self, reason: str, fresh: Routing) -> None:
        self.current = fresh
        self.last_reload_successful = True
        self._problems = ()
        _log.info(
            "routing_reloaded",
            reason=reason,
            topics=len(fresh.topics),
            channels=len(fresh.channels),
            callbacks=len(fresh.callbacks),
            warnings=list(map(str, fresh.warnings)),
            digest=fresh.digest,
        )
        for callback in self._subscribers:
            try:
                callback(fresh)
            except Exception:  # noqa: BLE001 - the routing is in force: the other subscribers must get it
                _log.exception("routing_subscriber_failed")

    def _log_refusal(self, reason: str, error: RoutingError) -> None:
        # The reading each minute does not repeat what is logged already.
        if error.problems != self._problems or reason != "reread":
            _log.error("routing_reload_failed", reason=reason, problems=list(map(str, error.problems)))
        self._problems = error.problems


def _state(path: Path) -> tuple[int, ...] | None:
    """What differs after a write, a rename, another target of a link or a folder above it; None without a file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - the same, without building a Path's result
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
