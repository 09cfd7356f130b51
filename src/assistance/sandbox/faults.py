"""Trouble on demand: what a fake does wrong, now, next, or until told otherwise."""

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Literal, TypeVar

F = TypeVar("F")

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Faults(Generic[F]):
    """A script of faults, each used once, before the standing fault, if there is one."""

    def __init__(self) -> None:
        """Start well: nothing scripted, nothing standing."""
        self._script: deque[F] = deque()
        self._always: F | None = None

    def script(self, *faults: F) -> None:
        """Append `faults`; each spoils one call that it applies to, in this order."""
        self._script.extend(faults)

    def always(self, fault: F | None) -> None:
        """From now on spoil every call that no scripted fault spoils; None: be well, and drop the script."""
        self._always = fault
        if fault is None:
            self._script.clear()

    def take(self, applies: Callable[[F], bool] = lambda _fault: True) -> F | None:
        """The fault for this call, if its turn has come."""
        if self._script:
            return self._script.popleft() if applies(self._script[0]) else None
        return self._always if self._always is not None and applies(self._always) else None


async def hang(seconds: float | Literal[True]) -> None:
    """Keep the caller waiting; `True`: until its connection is gone and cancels this."""
    if seconds is True:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(seconds)


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Cut the connection with a TCP reset, as a crashed peer does, not with an orderly end."""
    if transport is None:
        return
    plain = transport.get_extra_info("socket")
    if plain is not None and plain.fileno() >= 0:
        with _duplicate(plain) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    # TLS transports have `abort` too, without being a WriteTransport by type.
    getattr(transport, "abort", transport.close)()


def end(plain: socket.socket) -> None:
    """End the connection below its transport, which then finds it gone."""
    if plain.fileno() >= 0:
        with _duplicate(plain) as duplicate, suppress(OSError):
            duplicate.shutdown(socket.SHUT_RDWR)


def _duplicate(plain: socket.socket) -> socket.socket:
    """The same connection once more: the loops hand out a socket object that refuses most calls."""
    return socket.socket(fileno=os.dup(plain.fileno()))
