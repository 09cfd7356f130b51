"""What each status means, over a real socket too."""

import pytest
from tests.fakes.clock import ManualClock
from tests.fakes.raw_http import RawHttp, answer
from tests.fakes.statuses import expected

from assistance.model import TryLater, Verdict
from assistance.outgoing import Http
from assistance.outgoing.verdicts import retry_after, status_verdict

NOON = 1_795_435_200.0
"""2026-11-23 12:00:00 UTC."""


@pytest.fixture(scope="module")
def statuses() -> range:
    return range(100, 600)


def test_every_status_has_its_verdict(statuses: range) -> None:
    """Each of the 500 statuses gives the class and the reason of the table, and says its number."""
    for status in statuses:
        verdict = status_verdict(status)
        assert (verdict and (type(verdict), verdict.reason)) == expected(status), status
        assert verdict is None or verdict.code == str(status)


async def test_every_status_over_the_wire_ends_as_the_table_says(statuses: range) -> None:
    """Each final status that a server sends is raised or returned accordingly."""
    async with RawHttp(lambda request: answer(int(request.path[1:]))) as server, Http() as http:
        for status in statuses[100:]:
            try:
                reply = await http.post(f"{server.url}/{status}", json={})
            except Verdict as verdict:
                assert (type(verdict), verdict.reason) == expected(status), status  # noqa: PT017 - 400 in turn
            else:
                assert (reply.status, expected(status)) == (status, None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 30 ", 30.0),
        ("3600", 3600.0),
        ("86400", 3600.0),
        ("9" * 400, 3600.0),
        ("Mon, 23 Nov 2026 12:01:30 GMT", 90.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Tue, 24 Nov 2026 12:00:00 GMT", 3600.0),
        ("Monday, 23-Nov-26 12:00:05 GMT", 5.0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Mon, 99 Nov 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms(value: str, seconds: float | None) -> None:
    """Seconds and dates are understood, an hour is the most, and what cannot be read is None."""
    assert retry_after({"Retry-After": value}, NOON) == seconds


async def test_a_date_in_retry_after_is_compared_with_the_clock_that_was_handed_in() -> None:
    """`after` is the seconds from the injected clock's time to the date."""
    limited = answer(429, Retry_After="Mon, 23 Nov 2026 12:00:42 GMT")
    async with RawHttp(lambda _: limited) as server, Http(clock=ManualClock(NOON)) as http:
        with pytest.raises(TryLater) as caught:
            await http.post(server.url, json={})
    assert caught.value.after == 42.0


@pytest.mark.parametrize("status", [400, 401, 404, 301])
async def test_retry_after_counts_only_where_it_is_tried_again(status: int) -> None:
    """A refusal that is not for later carries no `after`."""
    async with RawHttp(lambda _: answer(status, Retry_After="9")) as server, Http() as http:
        with pytest.raises(Verdict) as caught:
            await http.post(server.url, json={})
    assert caught.value.after is None
