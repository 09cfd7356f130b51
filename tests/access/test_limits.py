"""Rate limits, by a clock that is moved by hand."""

import pytest

from assistance.access.limits import RateLimit, address_key
from assistance.model import SystemClock
from assistance.server.problems import Problem


class Clock(SystemClock):
    seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


def passed(limit: RateLimit, caller: str, requests: int) -> int:
    count = 0
    for _ in range(requests):
        try:
            limit.spend(caller)
        except Problem:
            continue
        count += 1
    return count


def test_a_bucket_holds_one_seconds_worth_and_fills_steadily():
    """Of many at once as many pass as the rate allows; after a tenth of a second a tenth more; never more."""
    clock = Clock()
    limit = RateLimit("client", 10, clock)
    assert passed(limit, "a", 30) == 10
    clock.seconds += 0.1
    assert passed(limit, "a", 5) == 1
    clock.seconds += 60
    assert passed(limit, "a", 30) == 10


def test_callers_do_not_share_a_bucket():
    """A caller that sends too much costs no other one anything."""
    limit = RateLimit("client", 1, Clock())
    assert (passed(limit, "a", 3), passed(limit, "b", 3)) == (1, 1)


def test_no_rate_is_no_limit():
    """`off` lets everything pass."""
    assert passed(RateLimit("client", None, Clock()), "a", 1000) == 1000


def test_a_rate_below_one_still_lets_one_pass():
    """A bucket holds one request at least."""
    clock = Clock()
    limit = RateLimit("client", 0.5, clock)
    assert passed(limit, "a", 3) == 1
    clock.seconds += 2
    assert passed(limit, "a", 3) == 1


@pytest.mark.parametrize(("rate", "policy"), [(100, "q=100;w=1"), (2.5, "q=2;w=1"), (0.5, "q=1;w=2")])
def test_the_refusal_names_the_policy_and_when_to_retry(rate: float, policy: str):
    """A 429 has Retry-After, RateLimit and RateLimit-Policy, as structured fields with integers."""
    limit = RateLimit("client", rate, Clock())
    passed(limit, "a", 100)
    with pytest.raises(Problem) as refused:
        limit.spend("a")
    wait = "2" if rate < 1 else "1"
    assert refused.value.status_code == 429
    assert refused.value.headers == {
        "Retry-After": wait,
        "RateLimit": f'"client";r=0;t={wait}',
        "RateLimit-Policy": f'"client";{policy}',
    }


def test_a_retry_after_retry_after_passes():
    """After the seconds of Retry-After there is room."""
    clock = Clock()
    limit = RateLimit("client", 0.3, clock)
    limit.spend("a")
    with pytest.raises(Problem) as refused:
        limit.spend("a")
    assert refused.value.headers is not None
    clock.seconds += int(refused.value.headers["Retry-After"])
    limit.spend("a")


def test_memory_is_bounded_by_forgetting_the_longest_idle():
    """Beyond the bound the callers that still send are remembered."""
    limit = RateLimit("address", 1, Clock(), most=100)
    limit.spend("regular")
    for number in range(1000):
        limit.spend(f"passer-by {number}")
        assert passed(limit, "regular", 1) == 0
    assert len(limit._arrivals) <= 100


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002"),
        ("2001:db8:1:2::9%eth0", "2001:0db8:0001:0002"),
        ("::ffff:192.0.2.7%x", "192.0.2.7"),
        ("", ""),
        ("unknown", ""),
        ("192.0.2.7:80", ""),
        ("[2001:db8::1", ""),
        ("fe80::1%", "fe80:0000:0000:0000"),
        ("\xe9" * 9_000, ""),
    ],
)
def test_a_whole_ipv6_network_is_one_caller(address: str, key: str):
    """An address counts as such in IPv4, as its network of 64 bits in IPv6, whatever its zone; others share a key."""
    assert address_key(address) == key
