"""The load generator: `wrk`, with a body that differs from call to call."""

import itertools
import json
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from processes import BenchError

_serials = itertools.count(1)
_PER_RUN = 10_000_000

_SCRIPT = """
wrk.method = "POST"
%(headers)s
local serial, sent, most = %(first)d, 0, %(most)d
request = function()
  sent = sent + 1
  -- wrk calls this once more than it sends, to look at the request.
  if sent == most + 1 then wrk.thread:stop() end
  return wrk.format(nil, nil, nil, %(head)s .. (serial + sent) .. %(tail)s)
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('\\nRESULT {"requests": %%d, "microseconds": %%d, "refused": %%d, "broken": %%d, ' ..
    '"p50": %%d, "p99": %%d}\\n', summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Call:
    """What a bot sends: `body` has `{serial}` where each call has a number of its own."""

    url: str
    body: str
    headers: Mapping[str, str]

    def text(self, serial: int) -> bytes:
        """One body."""
        return self.body.replace("{serial}", str(serial)).encode()


@dataclass(frozen=True, slots=True)
class Load:
    """What `wrk` saw: 2xx answers a second, and latencies in milliseconds."""

    accepted: int
    per_second: float
    p50: float
    p99: float
    failed: int


def serials() -> int:
    """The first of ten million numbers that nobody has used."""
    return next(_serials) * _PER_RUN


class Wrk:
    """One run of `wrk` in the background.

    Args:
        call: what to send.
        folder: for its script.
        connections: how many, each waiting for its answer.
        seconds: how long at most.
        most: calls after which it sends no more (a few may slip through); 0 for no limit.
    """

    def __init__(self, call: Call, folder: Path, *, connections: int, seconds: float, most: int = 0) -> None:
        """Start."""
        first = serials()
        head, _, tail = call.body.partition("{serial}")
        script = folder / f"load-{first}.lua"
        headers = "\n".join(f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in call.headers.items())
        values = {"headers": headers, "first": first, "most": most, "head": _lua(head), "tail": _lua(tail)}
        script.write_text(_SCRIPT % values)
        arguments = [f"-c{connections}", "-t1", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", str(script)]
        self._process = subprocess.Popen(["wrk", *arguments, call.url], stdout=subprocess.PIPE, text=True)
        self.started = time.time()

    def finish(self, *, now: bool = False) -> Load:
        """What it saw, once its time is over, or `now`."""
        if now:
            self._process.send_signal(signal.SIGINT)
        said, _ = self._process.communicate(timeout=120)
        result = next((line for line in said.splitlines() if line.startswith("RESULT ")), None)
        if result is None:
            raise BenchError("wrk gave no result")
        seen = json.loads(result.removeprefix("RESULT "))
        accepted = seen["requests"] - seen["refused"]
        seconds = max(seen["microseconds"], 1) / 1e6
        return Load(
            accepted, accepted / seconds, seen["p50"] / 1000, seen["p99"] / 1000, seen["refused"] + seen["broken"]
        )


def load(call: Call, folder: Path, *, connections: int, seconds: float) -> Load:
    """Calls without a pause for `seconds`."""
    return Wrk(call, folder, connections=connections, seconds=seconds).finish()


def send(call: Call, folder: Path, *, connections: int, most: int, seconds: float, enough: Callable[[], bool]) -> Load:
    """About `most` calls, then wait until it is `enough`, `seconds` in all at most."""
    running = Wrk(call, folder, connections=connections, seconds=seconds, most=most)
    end = time.monotonic() + seconds - 1
    while not enough() and time.monotonic() < end:
        time.sleep(0.02)
    return running.finish(now=True)


def path_of(url: str) -> tuple[str, int, str]:
    """Host, port and path of a URL."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80, parts.path or "/"


def _lua(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
