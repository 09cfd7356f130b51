"""Rate limits: so many requests a second for each caller, and an answer that says when to come back."""

import math
from ipaddress import IPv6Address, ip_address

from assistance.model import Clock
from assistance.server.problems import Problem

_MOST_CALLERS = 20_000
# Seconds that adding up fractions may lose.
_ROUNDING = 1e-9


class RateLimit:
    """A token bucket for each caller that holds one second's worth, and one request at least.

    What is stored for a caller is a single instant, when its bucket will be full again (the generic cell rate
    algorithm); the callers that were seen longest ago are forgotten first.

    Args:
        name: of the policy, as the answer's fields say it.
        rate: requests per second; None for no limit.
        clock: its monotonic time counts.
        most: how many callers are remembered.
    """

    def __init__(self, name: str, rate: float | None, clock: Clock, *, most: int = _MOST_CALLERS) -> None:
        """See the class."""
        self._name = name
        self._interval = 0.0 if rate is None else 1 / rate
        self._allowance = max(1.0, self._interval)
        self._clock = clock
        self._most = most
        self._full_at: dict[str, float] = {}

    def take(self, caller: str) -> None:
        """Let one request of `caller` pass.

        Raises:
            Problem: 429 with `Retry-After`, `RateLimit` and `RateLimit-Policy`, when its bucket is empty.
        """
        if not self._interval:
            return
        now = self._clock.monotonic()
        full_at = max(self._full_at.pop(caller, now), now) + self._interval
        wait = full_at - now - self._allowance
        if wait > _ROUNDING:
            self._full_at[caller] = full_at - self._interval
            raise self._refusal(wait)
        self._full_at[caller] = full_at
        if len(self._full_at) > self._most:
            del self._full_at[next(iter(self._full_at))]

    def _refusal(self, wait: float) -> Problem:
        """The answer, with the fields of draft-ietf-httpapi-ratelimit-headers-11 (structured fields)."""
        seconds = max(1, math.ceil(wait))
        quota, window = (math.floor(1 / self._interval), 1) if self._interval <= 1 else (1, math.ceil(self._interval))
        return Problem(
            429,
            "Too many requests",
            "This caller sends more requests than it may; Retry-After says when to go on.",
            type_="/problems/too-many-requests",
            headers={
                "Retry-After": str(seconds),
                "RateLimit": f'"{self._name}";r=0;t={seconds}',
                "RateLimit-Policy": f'"{self._name}";q={quota};w={window}',
            },
        )


def address_key(address: str) -> str:
    """What one caller without a token is known by: its IPv4 address, or its IPv6 network of 64 bits.

    A single customer of an IPv6 provider has a whole such network (RFC 6177), and would otherwise have as many buckets.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return parsed.exploded[:19]
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
