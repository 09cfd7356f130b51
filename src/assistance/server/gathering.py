"""What one turn of the event loop writes to a connection goes out at once."""

import asyncio
from typing import Any

_MOST = 64 * 1024
"""Bytes that wait for the turn to end; more is written where it comes, so that its reader's patience is asked."""


class Gathering(asyncio.Transport):
    """A transport that writes once a turn: a server sends head and body of an answer apart.

    The event loop's own transport makes a system call of each, which costs as much as all that the answer says.

    Args:
        transport: what it writes to.
        loop: that runs it.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """See the class."""
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: Any) -> None:
        """See `asyncio.WriteTransport`."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)
        self._size += len(data)
        if self._size > _MOST:
            self._flush()

    def close(self) -> None:
        """See `asyncio.BaseTransport`; what was written before goes out first."""
        self._flush()
        self._transport.close()

    def write_eof(self) -> None:
        """See `asyncio.WriteTransport`; what was written before goes out first."""
        self._flush()
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport`."""
        return self._transport.can_write_eof()

    def abort(self) -> None:
        """See `asyncio.WriteTransport`; what was written in this turn is lost."""
        self._parts, self._size = [], 0
        self._transport.abort()

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport`."""
        return self._transport.get_extra_info(name, default)

    def _flush(self) -> None:
        parts, self._parts, self._size = self._parts, [], 0
        # A second call of one turn finds nothing left to do.
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))
