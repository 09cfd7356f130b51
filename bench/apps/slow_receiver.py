"""A receiver that answers as Slack does, after a while: `python slow_receiver.py PORT SECONDS`.

`GET /` tells what has arrived: how many messages, how many different ones (by our key), and when the last one came.
"""

import asyncio
import json
import re
import sys
import time
from typing import cast

import httptools
import uvloop

_KEY = re.compile(rb'"key": ?"([^"]+)"')
_ANSWER = b'{"ok":true,"ts":"1.2","channel":"C0"}'
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class Seen:
    """What has arrived."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.arrived = 0
        self.keys: set[bytes] = set()
        self.last = 0.0

    def take(self, body: bytes) -> None:
        """One more message."""
        self.arrived += 1
        self.last = time.time()
        if found := _KEY.search(body):
            self.keys.add(found[1])

    def told(self) -> bytes:
        """As JSON."""
        return json.dumps({"arrived": self.arrived, "different": len(self.keys), "last": self.last}).encode()


class Receiver(asyncio.Protocol):
    """One connection."""

    def __init__(self, seen: Seen, delay: float) -> None:
        """Answer after `delay` seconds."""
        self._seen = seen
        self._delay = delay
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._body += body

    def on_message_complete(self) -> None:
        """See httptools."""
        if self._parser.get_method() == b"GET":
            self._answer(self._seen.told())
        else:
            self._seen.take(self._body)
            asyncio.get_running_loop().call_later(self._delay, self._answer, _ANSWER)
        self._body = b""

    def _answer(self, content: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_HEAD % len(content) + content)


async def _serve(port: int, delay: float) -> None:
    seen = Seen()
    server = await asyncio.get_running_loop().create_server(
        lambda: Receiver(seen, delay), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
