"""Rate limits: so many requests a second for each caller, and an answer that says when to come back."""

import math
from ipaddress import IPv6Address, ip_address

from assistance.model import Bucket, Clock
from assistance.server.problems import Problem

_MOST_CALLERS = 20_000


class RateLimit:
    """A token bucket for each caller. Of more than `most` callers those that were idle longest are forgotten.

    Args:
        name: of the policy, as the answer's fields say it.
        rate: requests per second; None for no limit.
        clock: its monotonic time counts.
        most: how many callers are remembered.
    """

    def __init__(self, name: str, rate: float | None, clock: Clock, *, most: int = _MOST_CALLERS) -> None:
        self._name = name
        self._bucket = None if rate is None else Bucket(rate)
        self._clock = clock
        self._most = most
        self._arrivals: dict[str, float] = {}

    def spend(self, caller: str) -> None:
        """Count one request of `caller`.

        Raises:
            Problem: 429 with `Retry-After`, `RateLimit` and `RateLimit-Policy`, when its bucket is empty.
        """
        if self._bucket is None:
            return
        now = self._clock.monotonic()
        arrival = self._arrivals.pop(caller, 0.0)
        wait = self._bucket.wait(arrival, now)
        # Put back at the end: the first one of the dictionary is the one that was idle longest.
        self._arrivals[caller] = arrival if wait else self._bucket.spend(arrival, now)
        if len(self._arrivals) > self._most:
            del self._arrivals[next(iter(self._arrivals))]
        if wait:
            raise self._too_many(self._bucket.rate, max(1, math.ceil(wait)))

    def _too_many(self, rate: float, seconds: int) -> Problem:
        """The answer, with the fields of draft-ietf-httpapi-ratelimit-headers-11 (structured fields)."""
        quota, window = (math.floor(rate), 1) if rate >= 1 else (1, math.ceil(1 / rate))
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
    """The key of one caller without a token: its IPv4 address, or its IPv6 network of 64 bits.

    A single customer of an IPv6 provider has a whole such network (RFC 6177), and would otherwise have as many buckets.
    All callers whose address cannot be read, as a proxy may forward it, share one.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return parsed.exploded[:19]
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
